// The client of docs/api.md: addresses are relative, so the page also works below a proxy's path.

const BASE = "api/v1/";
const TOKEN_KEY = "seachange.token";

/** A refusal: the problem document that came, or one made of what there was. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    this.status = status;
    this.kind = problem.type || "about:blank";
    this.title = problem.title || "";
    this.errors = problem.errors || [];
  }

  get savepointFailed() {
    return this.kind.endsWith("/problems/savepoint-failed");
  }
}

let onLockedOut = () => {};
/** Who is told that the token is missing or no longer known. */
export function whenLockedOut(tell) {
  onLockedOut = tell;
}

export function token() {
  return sessionStorage.getItem(TOKEN_KEY) || localStorage.getItem(TOKEN_KEY);
}

/** `keep`: beyond this tab and this visit. */
export function setToken(text, keep) {
  sessionStorage.removeItem(TOKEN_KEY);
  localStorage.removeItem(TOKEN_KEY);
  if (text) (keep ? localStorage : sessionStorage).setItem(TOKEN_KEY, text);
}

export function headers(more) {
  const bearer = token();
  return { ...more, ...(bearer ? { Authorization: `Bearer ${bearer}` } : {}) };
}

/** `jobs/NAME` and what is below it. */
export function jobPath(name, below) {
  return `jobs/${encodeURIComponent(name)}${below ? `/${below}` : ""}`;
}

export function address(path, query) {
  const pairs = new URLSearchParams();
  for (const [key, value] of Object.entries(query || {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") pairs.append(key, one);
    }
  }
  const text = pairs.toString();
  return BASE + path + (text ? `?${text}` : "");
}

async function problemOf(response) {
  try {
    return await response.json();
  } catch {
    return { title: response.statusText, detail: `HTTP ${response.status} ${response.statusText}` };
  }
}

/** Sends a request and gives back its JSON; throws `Refused`. */
export async function ask(method, path, { query, body, key, signal } = {}) {
  let response;
  try {
    response = await fetch(address(path, query), {
      method,
      signal,
      headers: headers({
        Accept: "application/json",
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...(key ? { "Idempotency-Key": key } : {}),
      }),
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "omit",
      cache: "no-store",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    const refused = new Refused(0, { title: "unreachable", detail: String(error.message || error) });
    refused.unsure = method !== "GET";
    throw refused;
  }
  if (!response.ok) {
    const refused = new Refused(response.status, await problemOf(response));
    if (response.status === 401) onLockedOut();
    throw refused;
  }
  return response.status === 204 ? null : response.json();
}

export const get = (path, query, signal) => ask("GET", path, { query, signal });
export const post = (path, body) => ask("POST", path, { body: body ?? {} });
export const put = (path, body) => ask("PUT", path, { body });
export const del = (path, query) => ask("DELETE", path, { query });

/**
 * Sends what must not be done twice: where no answer came and the same is sent again, it bears the same
 * key, by which the daemon knows it. What was answered is another request when it is sent again.
 */
export class Once {
  async post(path, body) {
    const text = JSON.stringify(body);
    if (this.text !== text) Object.assign(this, { text, key: freshKey() });
    try {
      const answer = await ask("POST", path, { body, key: this.key });
      this.text = null;
      return answer;
    } catch (error) {
      if (error.status !== 0) this.text = null;
      throw error;
    }
  }
}

function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Every job, page after page. */
export async function allJobs(signal) {
  const jobs = [];
  let after;
  do {
    const page = await get("jobs", { limit: 5000, after }, signal);
    jobs.push(...page.jobs);
    after = page.next;
  } while (after);
  return jobs;
}
