// Addresses within the page: `#/`, `#/events`, `#/job/NAME/TAB`, NAME with `%2F` for each `/`.

export const TABS = ["overview", "snapshots", "tables", "events", "output", "configuration"];

export function parse(hash) {
  const [page, name, tab, below] = hash.replace(/^#\/?/, "").split("/");
  if (page === "job" && name) {
    try {
      return { page, job: decodeURIComponent(name), tab: TABS.includes(tab) ? tab : "overview", below };
    } catch {
      return { page: "overview" };
    }
  }
  if (page === "events" || page === "jobs") return { page };
  return { page: "overview" };
}

export function jobLink(name, tab, below) {
  return `#/job/${encodeURIComponent(name)}${tab ? `/${tab}` : ""}${below ? `/${below}` : ""}`;
}

export function go(link) {
  if (location.hash === link) return;
  location.hash = link;
}
