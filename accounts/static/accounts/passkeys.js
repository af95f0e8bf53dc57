// Takes a passkey's answer to what the shop asks, and sends the form with it.
"use strict";
(() => {
  const button = document.querySelector("[data-passkey]");
  const notice = document.querySelector("[data-passkey-notice]");
  if (!button || !window.PublicKeyCredential) return;
  const { form } = button;

  function bytes(text) {
    const base64 = text.replace(/-/g, "+").replace(/_/g, "/");
    return Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));
  }

  function text(buffer) {
    const signs = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte));
    return btoa(signs.join("")).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  // As parseRequestOptionsFromJSON() and toJSON(), which not every browser has.
  function readable(options) {
    const allowCredentials = (options.allowCredentials || []).map((one) => ({ ...one, id: bytes(one.id) }));
    return { ...options, challenge: bytes(options.challenge), allowCredentials };
  }

  function sendable({ id, rawId, type, response }) {
    return {
      id,
      rawId: text(rawId),
      type,
      response: {
        clientDataJSON: text(response.clientDataJSON),
        authenticatorData: text(response.authenticatorData),
        signature: text(response.signature),
        userHandle: response.userHandle ? text(response.userHandle) : null,
      },
    };
  }

  async function options() {
    const body = new FormData();
    for (const name of ["csrfmiddlewaretoken", "ticket"]) {
      const input = form.elements.namedItem(name);
      if (input) body.append(name, input.value);
    }
    const answer = await fetch(button.dataset.options, { method: "POST", body, headers: { Accept: "application/json" } });
    if (answer.redirected) throw new Error("Sign in again.");
    const found = await answer.json();
    if (!answer.ok) throw new Error(answer.status === 401 ? "That took too long: start again." : `${found.title}. ${found.detail || ""}`);
    return readable(found.public_key);
  }

  function tell(message) {
    notice.textContent = message;
    notice.hidden = !message;
  }

  async function ask() {
    button.disabled = true;
    tell("");
    try {
      const credential = await navigator.credentials.get({ publicKey: await options() });
      form.elements.namedItem(button.dataset.field).value = JSON.stringify(sendable(credential));
      // The passkey alone is the proof: what else a browser has filled in stays here.
      for (const input of form.querySelectorAll("[data-other-proof]")) input.disabled = true;
      // Not form.submit(), which a field of that name would hide.
      HTMLFormElement.prototype.submit.call(form);
    } catch (error) {
      button.disabled = false;
      // Cancelled, too slow, or no passkey: browsers don't tell which.
      tell(error.name === "NotAllowedError" ? "The passkey was not used." : error.message);
    }
  }

  button.hidden = false;
  tell("");
  button.addEventListener("click", ask);
})();
