// Numbers, sizes, durations and times as people read them.

import { current, t } from "./i18n.js";

const NONE = "–";

export function count(value) {
  if (value === null || value === undefined) return NONE;
  return Math.round(value).toLocaleString(current());
}

export function rate(value) {
  if (value === null || value === undefined) return NONE;
  if (value > 0 && value < 10) return value.toLocaleString(current(), { maximumFractionDigits: 1 });
  return short(value);
}

/** At most four digits: 1,234 stays, 12,345 becomes 12.3 K. */
export function short(value) {
  if (value === null || value === undefined) return NONE;
  if (Math.abs(value) < 10000) return count(value);
  return value.toLocaleString(current(), { notation: "compact", maximumSignificantDigits: 3 });
}

export function bytes(value) {
  if (value === null || value === undefined) return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let unit = 0;
  let left = value;
  while (left >= 1024 && unit < units.length - 1) {
    left /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || left >= 100 ? 0 : 1;
  return `${left.toLocaleString(current(), { maximumFractionDigits: digits })} ${units[unit]}`;
}

/** Of seconds: the two largest units. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return NONE;
  if (seconds < 0.95) return `${Math.round(seconds * 1000)} ${t("unit.ms")}`;
  if (seconds < 9.95) {
    const text = seconds.toLocaleString(current(), { maximumFractionDigits: 1 });
    return `${text} ${t("unit.s")}`;
  }
  let left = Math.round(seconds);
  const parts = [];
  for (const [name, size] of [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]]) {
    const whole = Math.floor(left / size);
    if (whole > 0 || parts.length) parts.push(`${whole} ${t(`unit.${name}`)}`);
    left -= whole * size;
    if (parts.length === 2) break;
  }
  return parts.filter((part) => !part.startsWith("0 ")).join(" ");
}

export function millis(value) {
  return value === null || value === undefined ? NONE : duration(value / 1000);
}

const two = (value) => String(value).padStart(2, "0");

export function clock(ms) {
  const at = new Date(ms);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** Of this machine's zone, in an order that no language misreads. */
export function time(ms) {
  if (ms === null || ms === undefined) return NONE;
  const at = new Date(ms);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock(ms)}`;
}

export function ago(ms, now = Date.now()) {
  if (ms === null || ms === undefined) return NONE;
  const seconds = Math.max(0, (now - ms) / 1000);
  if (seconds < 2) return t("time.now");
  const [first] = duration(Math.max(1, seconds)).match(/^\S+ \S+/) || [duration(seconds)];
  return t("time.ago", { span: first.replace(/^([\d,]+)\.\d+/, "$1") });
}

export function percent(share) {
  return share.toLocaleString(current(), { style: "percent", maximumFractionDigits: share < 0.1 ? 1 : 0 });
}
