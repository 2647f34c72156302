// Passkeys: asks the site what to ask the device, asks the device, and sends its answer back.
// Without scripts, or in a browser without passkeys, the buttons stay hidden and the forms beside them work.

const toBytes = (text) => {
  const plain = text.replace(/-/g, "+").replace(/_/g, "/");
  return Uint8Array.from(atob(plain), (sign) => sign.charCodeAt(0));
};

const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const send = async (address, body, token) => {
  const answer = await fetch(address, {
    method: "POST",
    credentials: "same-origin",
    headers: { "Content-Type": "application/json", "X-CSRFToken": token, Accept: "application/json" },
    body: JSON.stringify(body),
  });
  const kind = answer.headers.get("Content-Type") || "";
  if (!kind.startsWith("application/json")) {
    throw new Error(
      answer.status === 429 ? "Too many tries. Wait a minute." : "This page was open for too long. Reload it, then try again."
    );
  }
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.message || "That did not work. Try again.");
  return said;
};

const make = async (options) => {
  const made = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: toBytes(options.challenge),
      user: { ...options.user, id: toBytes(options.user.id) },
      excludeCredentials: (options.excludeCredentials || []).map((each) => ({ ...each, id: toBytes(each.id) })),
    },
  });
  return {
    id: made.id,
    rawId: toText(made.rawId),
    type: made.type,
    response: {
      clientDataJSON: toText(made.response.clientDataJSON),
      attestationObject: toText(made.response.attestationObject),
    },
  };
};

const show = async (options) => {
  const shown = await navigator.credentials.get({
    publicKey: {
      ...options,
      challenge: toBytes(options.challenge),
      allowCredentials: (options.allowCredentials || []).map((each) => ({ ...each, id: toBytes(each.id) })),
    },
  });
  return {
    id: shown.id,
    rawId: toText(shown.rawId),
    type: shown.type,
    response: {
      clientDataJSON: toText(shown.response.clientDataJSON),
      authenticatorData: toText(shown.response.authenticatorData),
      signature: toText(shown.response.signature),
      userHandle: shown.response.userHandle ? toText(shown.response.userHandle) : null,
    },
  };
};

const begin = async (place, button) => {
  const { passkey, options, answer, token, next } = place.dataset;
  const problem = place.querySelector("[data-problem]");
  problem.hidden = true;
  button.disabled = true;
  try {
    const asked = await send(options, { next }, token);
    if (asked.go) {
      window.location.assign(asked.go);
      return;
    }
    const name = document.getElementById("f-passkey-name");
    const credential = passkey === "make" ? await make(asked) : await show(asked);
    const done = await send(answer, { credential, name: name ? name.value : "" }, token);
    window.location.assign(done.go);
  } catch (error) {
    problem.textContent =
      error.name === "NotAllowedError"
        ? "No passkey was shown. Try again, or use another way."
        : error.name === "InvalidStateError"
          ? "This device has a passkey for your account already."
          : error.message;
    problem.hidden = false;
    button.disabled = false;
  }
};

for (const place of document.querySelectorAll("[data-passkey]")) {
  if (!window.PublicKeyCredential) continue;
  place.hidden = false;
  const button = place.querySelector("button");
  const host = place.dataset.host;
  const here = window.location.hostname;
  if (here === host || here.endsWith(`.${host}`)) {
    button.addEventListener("click", () => begin(place, button));
  } else {
    button.hidden = true;
    place.querySelector("[data-elsewhere]").hidden = false;
  }
}
