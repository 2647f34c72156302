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
  if (report.missing.length) return "missing";
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
  const heading = kind.headline.replace("{what}", "device");
  const about = statement && name !== "fails" && name !== "missing" ? device(statement, words) : null;
  const asOf = report.ok && report.knownAt !== null ? `As known on ${moment(report.knownAt)}. ${words.lookAgain}` : null;
  const paragraphs = [
    element("p", {}, sentence(name, report, words)),
    about && element("p", { class: "strong" }, about),
    asOf && element("p", {}, asOf),
    advice(name, words),
  ];
  const band = verdictBand(name, heading, paragraphs, words, icons);
  const list = (title, lines) =>
    element("div", {}, element("h2", {}, title), element("ul", {}, ...lines.map((line) => element("li", {}, line))));
  const means = [list("What this means", kind.means), list("What it does not mean", kind.not_means)];
  const meaning = kind.means.length ? [element("section", { class: "meaning" }, ...means)] : [];
  const made = [band, ...meaning, element("section", { class: "card" }, ...checkList(report, words, icons))];
  if (statement) made.push(said(statement, report.ok, name === "revoked", words));
  return made;
}

/** That there was no certificate to be seen, as elements; `reason` is why, in the words of the reader of bundles. */
export function toldUnreadable(reason, words, icons) {
  // These two say no more than the headline does.
  const known = /readable \.zip|^There is no /.test(reason);
  const lines = [element("p", {}, words.chooseZip), known ? null : element("p", { class: "fine" }, reason)];
  return [verdictBand("unread", words.kinds.unread.headline, lines, words, icons)];
}

/** That nothing was checked, because the reader's own trust file cannot be used, as elements. */
export function toldUntrusting(reason, words, icons) {
  const lines = [element("p", {}, words.anotherTrust), element("p", { class: "fine" }, reason)];
  return [verdictBand("untrusting", words.kinds.untrusting.headline, lines, words, icons)];
}

/** How the checks of one question came out, in a few words. What was not looked at is not said to have failed. */
export function groupCount(checks) {
  const of = (...levels) => checks.filter((check) => levels.includes(check.level)).length;
  const [failed, unreached, notes] = [of("fails"), of("unreached"), of("caution")];
  if (unreached === checks.length) return "not looked at";
  if (!failed && !unreached) return `${checks.length} of ${checks.length} held${notes ? `, ${notes} with a note` : ""}`;
  return [[failed, "failed"], [of("holds", "caution"), "held"], [unreached, "not looked at"]]
    .filter(([number]) => number)
    .map(([number, word]) => `${number} ${word}`)
    .join(", ");
}

// The script moves the focus to the heading, so that a screen reader begins with the verdict.
function verdictBand(name, heading, paragraphs, words, icons) {
  const kind = words.kinds[name];
  return element(
    "section",
    { class: `verdict verdict-${name} tone-${kind.tone}`, "aria-labelledby": "verdict" },
    element("p", { class: "verdict-label" }, icon(icons, kind.symbol), kind.label),
    element("h1", { id: "verdict", tabindex: "-1" }, heading),
    ...paragraphs.filter(Boolean)
  );
}

function advice(name, words) {
  const text = words.advice[name];
  if (!text) return null;
  return element("p", { class: "strong" }, `${text} `, element("a", { href: words.contact }, words.writeTo));
}

function device({ hostClaimed: { manufacturer = "", model = "", serial = "" } }, words) {
  const name = model.toLowerCase().startsWith(manufacturer.toLowerCase()) ? model : `${manufacturer} ${model}`;
  return `${name.trim() || "Device"}, ${serial ? `serial ${serial}` : "without a serial"}. ${words.compare}`;
}

function sentence(name, report, words) {
  if (name === "missing") return `Missing: ${report.missing.join(", ")}. ${words.chooseZip}`;
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
    return element(
      "details",
      { class: `check-group${{ fails: " bad", caution: " wait", holds: " good" }[look] ?? ""}`, ...(bad ? { open: "" } : {}) },
      element(
        "summary",
        {},
        icon(icons, LEVELS[look][1], LEVELS[look][2]),
        element("span", { class: "check-title" }, group.title),
        element("span", { class: "check-count" }, groupCount(checks)),
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

function said(statement, ok, revoked, words) {
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
    ok ? null : element("p", { class: "lead" }, `It ${revoked ? "was revoked" : "did not verify"}, so none of this can be relied on.`),
    facts([
      ["Device", statement.deviceCode],
      ["Signed by", statement.issuerName],
      ["Signed", moment(statement.created)],
      ["Certificate", number(statement.certificateId)],
      ["Takes the place of", statement.supersedes && number(statement.supersedes)],
    ]),
    ...statement.lines.map((line) =>
      element(
        "section",
        { class: "card" },
        element("h3", {}, [line.manufacturer, line.model].filter(Boolean).join(" ") || words.media[line.kind] || line.kind),
        facts([
          ["Serial number", line.serial],
          ["Size", line.sizeBytes ? size(line.sizeBytes) : ""],
          ["How", line.technique ? (words.techniques[line.technique] ?? line.technique) : ""],
          ["In the words of NIST SP 800-88", line.level ? (words.levels[line.level] ?? line.level) : ""],
          ["Evidence", words.evidence[line.evidenceClass] ?? line.evidenceClass],
          ["Carried out", period(line.started, line.ended)],
          ["Operator", line.operator],
          ["Validated by", line.validator],
          ["Left out", line.exclusions.join(", ") || "nothing"],
        ])
      )
    )
  );
}

const number = (urn) => urn.replace(/^urn:uuid:/, "");
const period = (from, to) => (moment(from) === moment(to) ? moment(from) : `${moment(from)} to ${moment(to)}`);

// As makers print it, in powers of ten.
function size(bytes) {
  const [unit, step] = [["TB", 1e12], ["GB", 1e9], ["MB", 1e6], ["KB", 1e3], ["bytes", 1]].find(([, least]) => bytes >= least);
  return `${(bytes / step).toLocaleString("en-GB", { maximumFractionDigits: 2 })} ${unit}`;
}

const day = (time) =>
  new Date(time * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
const moment = (time) => `${day(time)}, ${new Date(time * 1000).toISOString().slice(11, 16)} UTC`;
