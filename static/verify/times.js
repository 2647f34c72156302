// Times as the format writes them: UTC, whole seconds, exactly 2026-01-31T12:00:00Z (wipe_agent/certificate/times.py).

/** How far two different clocks may disagree, in seconds. Times of one clock are compared exactly. */
export const CLOCK_TOLERANCE = 300;

const TIME = /^2[0-9]{3}-[01][0-9]-[0-3][0-9]T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$/;

/** Whether the value is a time in the format's spelling, of a day that exists. */
export function isTime(value) {
  return typeof value === "string" && TIME.test(value) && isDay(value.slice(0, 10));
}

/** Whether the value is a date written as 2026-01-31, of a day that exists. */
export function isDay(value) {
  if (typeof value !== "string" || !/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(value)) return false;
  const [year, month, day] = value.split("-").map(Number);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return year > 0 && date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

/** Seconds since 1970 of a time in the format's spelling. */
export function seconds(text) {
  return Date.parse(text) / 1000;
}

/** Seconds since 1970 as people read them: 2026-01-31 12:00 UTC. */
export function when(time) {
  return `${new Date(time * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
