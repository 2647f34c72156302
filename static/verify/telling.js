// A report in the words and with the looks of the site (ewaste/web/verdict.py hands the words over).
//
// Whatever a certificate says is put on the page as text, never as markup.

/** An element with attributes and children; a child that is a string becomes text, one that is null is left out. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** An icon; `icons` is the address of the sprite, or empty where it stands in the page itself. */
export function icon(icons, name, label = "") {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("focusable", "false");
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  } else {
    svg.setAttribute("aria-hidden", "true");
  }
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${icons}#${name}`);
  svg.append(use);
  return svg;
}

/** Which kind of outcome a report is, without any register: one of the kinds in the words. */
export function outcome(report) {
  const failed = report.checks.filter((check) => check.level === "fails");
  if (failed.length === 1 && failed[0].code === "revoked") return "revoked";
  if (!report.ok) return "fails";
  if (report.statement.training) return "training";
  if (report.checks.find((check) => check.name === "status").level !== "holds") return "alone";
  return report.checks.some((check) => check.code === "late") ? "late" : "proves";
}

/** How a check came out, for people. */
export const LEVELS = {
  holds: ["yes", "circle-check", "Held"],
  caution: ["caution", "circle-alert", "To know"],
  fails: ["no", "circle-x", "Failed"],
  unreached: ["unreached", "circle-dashed", "Not reached"],
};

/** What a report comes to, as elements: the verdict, what it means, every check, what the certificate says. */
export function told(report, words, icons) {
  const name = outcome(report);
  const kind = words.kinds[name];
  const statement = report.statement;
  const band = element(
    "section",
    { class: `verdict verdict-${name} tone-${kind.tone}` },
    element("p", { class: "verdict-label" }, icon(icons, kind.symbol), kind.label),
    element("h1", {}, kind.headline.replace("{what}", "device")),
    element("p", {}, sentence(name, report, words)),
    name === "fails" || name === "revoked" ? element("p", { class: "strong" }, words.doNotRely) : null
  );
  const list = (title, lines) =>
    element("div", {}, element("h2", {}, title), element("ul", {}, ...lines.map((line) => element("li", {}, line))));
  const meaning = element(
    "section",
    { class: "meaning" },
    list("What this means", kind.means),
    list("What it does not mean", kind.not_means)
  );
  const made = [band, meaning, element("section", { class: "card" }, ...checkList(report, words, icons))];
  if (statement) made.push(said(statement, report.ok));
  return made;
}

/** What cannot even be read, as elements. */
export function toldUnreadable(sentenceOfRefusal, words, icons) {
  const kind = words.kinds.fails;
  return [
    element(
      "section",
      { class: `verdict verdict-fails tone-${kind.tone}` },
      element("p", { class: "verdict-label" }, icon(icons, kind.symbol), kind.label),
      element("h1", {}, kind.headline),
      element("p", {}, sentenceOfRefusal),
      element("p", { class: "strong" }, words.doNotRely)
    ),
  ];
}

function sentence(name, report, words) {
  if (name === "fails") return words.reasons[report.failed.name] ?? words.noReason;
  if (name === "revoked") return report.failed.text;
  const { lines, created, issuerName, deviceCode } = report.statement;
  const media = lines.length === 1 ? "1 storage medium" : `${lines.length} storage media`;
  const gone =
    `The data on this device is gone. Checked on ${day(created)} by ${issuerName}: ` +
    `${media} covered, on device ${deviceCode}.`;
  if (name === "training") return `It was made from practice media. Were it real, it would say: ${gone}`;
  return name === "proves" ? gone.slice(gone.indexOf(". ") + 2) : gone;
}

function checkList(report, words, icons) {
  const failed = report.failed !== null;
  const groups = words.groups.map((group) => {
    const checks = group.checks
      .map((name) => report.checks.find((check) => check.name === name) ?? notReached(name, words))
      .filter((check) => failed || check.level !== "unreached");
    const bad = checks.some((check) => check.level === "fails");
    const cautions = checks.filter((check) => check.level === "caution").length;
    const held = checks.filter((check) => check.level === "holds" || check.level === "caution").length;
    const look = bad ? "fails" : cautions ? "caution" : held === checks.length ? "holds" : "unreached";
    const count = `${held} of ${checks.length} held${cautions ? `, ${cautions} to know` : ""}`;
    return element(
      "details",
      { class: `check-group${{ fails: " bad", caution: " wait", holds: " good" }[look] ?? ""}`, ...(bad ? { open: "" } : {}) },
      element(
        "summary",
        {},
        icon(icons, LEVELS[look][1], LEVELS[look][2]),
        element("span", { class: "check-title" }, group.title),
        element("span", { class: "check-count" }, count),
        icon(icons, "chevron-right")
      ),
      element("ul", { class: "checks" }, ...checks.map((check) => checkLine(check, icons)))
    );
  });
  const held = report.checks.filter((check) => check.level !== "fails").length;
  const all = words.groups.reduce((sum, group) => sum + group.checks.length, 0);
  const counted =
    failed && report.checks.length < all
      ? `Stopped at check ${report.checks.length} of ${all}`
      : `${held} of ${report.checks.length} checks passed`;
  const head = element("div", { class: "card-head" }, element("h2", {}, "What was checked"), element("span", { class: "fine" }, counted));
  return [head, element("div", { class: "check-groups" }, ...groups)];
}

const notReached = (name, words) => ({ name, level: "unreached", text: words.notReached });

function checkLine(check, icons) {
  const [look, symbol, label] = LEVELS[check.level];
  const mark = { fails: "Failed: ", caution: "To know: " }[check.level];
  return element(
    "li",
    { class: look },
    icon(icons, symbol, label),
    element(
      "div",
      { class: "check-said" },
      element("p", {}, mark ? element("strong", { class: "check-mark" }, mark) : null, check.text),
      element("p", { class: "check-name" }, check.name.replaceAll("-", " "))
    )
  );
}

function said(statement, ok) {
  const facts = (pairs) =>
    element(
      "dl",
      { class: "facts facts-tight" },
      ...pairs
        .filter(([, value]) => value !== null && value !== "")
        .flatMap(([label, value]) => [element("dt", {}, label), element("dd", { class: "break" }, String(value))])
    );
  return element(
    "section",
    { class: "stack" },
    element("h2", {}, ok ? "What the certificate says" : "What the certificate claims"),
    ok ? null : element("p", { class: "lead" }, "It did not verify, so none of this can be relied on."),
    facts([
      ["Device", statement.deviceCode],
      ["Wiped by", statement.issuerName],
      ["Signed", moment(statement.created)],
      ["Certificate", statement.certificateId],
      ["Supersedes", statement.supersedes],
    ]),
    ...statement.lines.map((line) =>
      element(
        "section",
        { class: "card" },
        element("h3", {}, [line.manufacturer, line.model].filter(Boolean).join(" ") || line.kind),
        facts([
          ["Serial number", line.serial],
          ["Size", `${line.sizeBytes.toLocaleString("en-GB")} bytes`],
          ["Method", [line.level, line.technique].filter(Boolean).join(", ")],
          ["Evidence", line.evidenceClass],
          ["Carried out", `${moment(line.started)} to ${moment(line.ended)}`],
          ["Operator", line.operator],
          ["Validated by", line.validator],
          ["Left out", line.exclusions.join(", ") || "nothing"],
        ])
      )
    )
  );
}

const day = (time) =>
  new Date(time * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
const moment = (time) => `${day(time)}, ${new Date(time * 1000).toISOString().slice(11, 16)} UTC`;
