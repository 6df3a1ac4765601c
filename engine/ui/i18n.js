// The page's languages: one file of strings each. To add one, see docs/page.md.

import en from "./words/en.js";
import zh from "./words/zh.js";

export const LANGUAGES = { en: { name: "English", words: en }, zh: { name: "中文", words: zh } };
const KEY = "seachange.language";

let language = chosen();

function chosen() {
  const kept = localStorage.getItem(KEY);
  if (kept in LANGUAGES) return kept;
  const spoken = (navigator.languages || [navigator.language]).map((tag) => tag.slice(0, 2));
  return spoken.find((tag) => tag in LANGUAGES) || "en";
}

export function current() {
  return language;
}

export function speak(next) {
  language = next;
  localStorage.setItem(KEY, next);
  mark();
}

/** For screen readers and for the fonts of the browser. */
export function mark() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : language;
}

/** The words for `key`, with `{name}` in them replaced; where `n` is 1, those for `key.one` if there are. */
export function t(key, values) {
  const found = (asked) => LANGUAGES[language].words[asked] ?? en[asked];
  const words = (String(values?.n) === "1" && found(`${key}.one`)) || found(key) || key;
  return values ? words.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole) : words;
}
