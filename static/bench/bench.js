// The scanner types like a keyboard. A key pressed outside every field goes to the scanner's field; a link to a folded
// part opens it. Without this file the field is focused when the page opens, and folds are opened by hand.
(function () {
  "use strict";
  var scan = document.getElementById("scan");

  function typing(element) {
    return element && (element.isContentEditable || /^(INPUT|TEXTAREA|SELECT|BUTTON|A|SUMMARY)$/.test(element.tagName));
  }

  if (scan) {
    document.addEventListener("keydown", function (event) {
      if (event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.altKey && !event.metaKey &&
          !typing(document.activeElement)) {
        scan.focus();
      }
    });
  }

  // A command that is typed elsewhere, ready to be pasted. Browsers allow it on a safe connection only.
  document.querySelectorAll("pre[data-copy]").forEach(function (command) {
    if (!navigator.clipboard) {
      return;
    }
    var button = document.createElement("button");
    button.type = "button";
    button.className = "button button-second button-s";
    button.textContent = "Copy";
    button.addEventListener("click", function () {
      navigator.clipboard.writeText(command.textContent).then(function () {
        button.textContent = "Copied";
      });
    });
    command.after(button);
  });

  // Enter presses the button of the part that is typed in, where one form has several: a medium, or the inspection.
  document.addEventListener("keydown", function (event) {
    var part = event.key === "Enter" && event.target.tagName === "INPUT" && event.target.closest(".form");
    if (part && part.tagName !== "FORM") {
      event.preventDefault();
      part.querySelector('button[type="submit"]').click();
    }
  });

  // After a form was refused: the first field that needs another answer, else what was said about it.
  var wrong = document.querySelector('main [aria-invalid="true"]') || document.getElementById("errors");
  if (wrong) {
    wrong.focus();
  }

  function open() {
    var target = location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
    if (target && target.tagName === "DETAILS") {
      target.open = true;
      target.querySelector("summary").focus();
    }
  }

  window.addEventListener("hashchange", open);
  open();
})();
