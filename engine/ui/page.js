// The page: a client of the public API (docs/api.md), drawn by Preact. Everything else is below this file.

import { html, render, useEffect, useState } from "./base.js";
import { setToken, token, whenLockedOut } from "./api.js";
import { Dialog, Toasts, Trouble } from "./bits.js";
import { EventsPage } from "./events.js";
import { current, LANGUAGES, mark, speak, t } from "./i18n.js";
import { JobPage } from "./job.js";
import { begin, look, stop, watch } from "./live.js";
import { Overview } from "./overview.js";
import { parse } from "./route.js";
import { closeDialog, isOperator, openDialog, read, set, useStore } from "./store.js";
import { Submit } from "./submit.js";
import { searchKey, Tree } from "./tree-view.js";

const THEME_KEY = "seachange.theme";
const THEMES = ["auto", "light", "dark"];

function wear(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem(THEME_KEY, theme);
  set({ theme });
}

function Page() {
  useStore((all) => all.language);
  const locked = useStore((all) => all.locked);
  const info = useStore((all) => all.info);
  const route = useStore((all) => all.route);
  const dialog = useStore((all) => all.dialog);
  const [error, setError] = useState(null);
  useEffect(() => {
    const title = route.job ? route.job : route.page === "events" ? t("nav.events") : "";
    document.title = title ? `${title} · Seachange` : "Seachange";
  }, [route]);
  const start = () => begin().then(() => setError(null), (e) => e.status !== 401 && setError(e));
  useEffect(() => void start(), []);
  useEffect(() => {
    if (!error) return undefined;
    const timer = setTimeout(start, 5000);
    return () => clearTimeout(timer);
  }, [error]);

  if (locked) return html`<${Header} /><${Login} start=${start} /><${Toasts} />`;
  return html`
    <a class="skip" href="#main" onClick=${(e) => (e.preventDefault(), document.getElementById("main").focus())}>${t("nav.skip")}</a>
    <${Header} />
    <div class="body at-${route.page}">
      <${Tree} />
      <main id="main" tabindex="-1">
        ${error && html`<${Trouble} error=${error} />`}
        ${!info ? !error && html`<p class="empty">${t("loading")}</p>`
          : route.page === "job" ? html`<${JobPage} key=${route.job} name=${route.job} tab=${route.tab} below=${route.below} />`
          : route.page === "events" ? html`<${EventsPage} />`
          : html`<${Overview} />`}
      </main>
    </div>
    ${dialog && dialog()}
    <${Toasts} />`;
}

function Header() {
  const info = useStore((all) => all.info);
  const live = useStore((all) => all.live);
  const route = useStore((all) => all.route);
  const theme = useStore((all) => all.theme);
  const locked = useStore((all) => all.locked);
  const here = (page) => (route.page === page ? "page" : undefined);
  const nextTheme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  return html`<header class="top">
    <a class="brand" href="#/"><img src="icon.svg" alt="" width="26" height="26" /><span>Seachange</span></a>
    ${!locked && html`<nav class="pages" aria-label=${t("nav.pages")}>
      <a href="#/" aria-current=${here("overview")}>${t("nav.overview")}</a>
      <a href="#/jobs" class="phone" aria-current=${here("jobs")}>${t("nav.jobs")}</a>
      <a href="#/events" aria-current=${here("events")}>${t("nav.events")}</a>
    </nav>`}
    <span class="gap"></span>
    ${!locked && info && html`<span class="live ${live}" role="status" title=${t(`live.${live}.why`)}>${t(`live.${live}`)}</span>`}
    ${!locked && isOperator() && html`<button type="button" class="primary" onClick=${() => openDialog(() => html`<${Submit} />`)}>${t("submit.open")}</button>`}
    ${!locked && info && html`<span class="who" title=${t(`role.${info.role}.why`)}>
      ${info.token && html`<b>${info.token}</b>`} ${t(`role.${info.role}`)}</span>`}
    ${!locked && info?.needs_token && html`<button type="button" onClick=${leave}>${t("token.leave")}</button>`}
    <label class="language"><span class="unseen">${t("language")}</span>
      <select value=${current()} onChange=${(e) => (speak(e.target.value), set({ language: e.target.value }))}>
        ${Object.entries(LANGUAGES).map(([tag, one]) => html`<option value=${tag} lang=${tag}>${one.name}</option>`)}
      </select></label>
    <button type="button" class="icon" aria-label=${t("theme.to", { theme: t(`theme.${nextTheme}`) })}
      title=${t("theme.is", { theme: t(`theme.${theme}`) })} onClick=${() => wear(nextTheme)}>${{ auto: "◐", light: "☀", dark: "☾" }[theme]}</button>
    <button type="button" class="icon wide-only" aria-label=${t("keys.title")} title=${t("keys.title")} onClick=${() => openDialog(() => html`<${Keys} />`)}>?</button>
  </header>`;
}

function leave() {
  setToken(null);
  stop();
  set({ locked: true, info: null, jobs: [], loaded: false });
}

function Login({ start }) {
  const [text, setText] = useState("");
  const [keep, setKeep] = useState(false);
  // A token that is kept and was refused: say so.
  const [refused, setRefused] = useState(!!token());
  const enter = async (event) => {
    event.preventDefault();
    setToken(text.trim(), keep);
    setRefused(false);
    await start();
    if (read().locked) {
      setToken(null);
      setRefused(true);
    }
  };
  return html`<main id="main" class="login" tabindex="-1"><form onSubmit=${enter}>
    <h1>${t("token.title")}</h1>
    <p>${t("token.why")}</p>
    ${refused && html`<p class="trouble" role="alert">${t("token.refused")}</p>`}
    <label>${t("token.label")}
      <input type="password" autocomplete="current-password" required autofocus value=${text}
        onInput=${(e) => setText(e.target.value)} /></label>
    <label class="check"><input type="checkbox" checked=${keep} onChange=${(e) => setKeep(e.target.checked)} /> ${t("token.keep")}</label>
    <button type="submit" class="primary">${t("token.enter")}</button>
  </form></main>`;
}

function Keys() {
  const keys = [["/", "keys.search"], ["↑ ↓", "keys.move"], ["→ ←", "keys.fold"], ["Enter", "keys.open"], ["Esc", "keys.escape"], ["?", "keys.title"]];
  return html`<${Dialog} title=${t("keys.title")}>
    <dl class="keys">${keys.map(([key, words]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${t(words)}</dd></div>`)}</dl>
  <//>`;
}

function route() {
  const before = read().route;
  const now = parse(location.hash);
  set({ route: now });
  if (now.job !== before.job) watch(now.job);
  if (read().dialog) closeDialog();
}

whenLockedOut(() => {
  stop();
  set({ locked: true, dialog: null });
});
addEventListener("hashchange", route);
document.addEventListener("visibilitychange", look);
addEventListener("keydown", (event) => {
  searchKey(event);
  if (event.key === "?" && !read().dialog && !/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) {
    openDialog(() => html`<${Keys} />`);
  }
});
mark();
const worn = localStorage.getItem(THEME_KEY);
wear(THEMES.includes(worn) ? worn : "auto");
set({ route: parse(location.hash), language: current() });
render(html`<${Page} />`, document.getElementById("page"));
