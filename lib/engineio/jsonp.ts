// Long-polling for pages that may not make requests to another origin: what comes is a script that
// calls a function of the page, what goes is a form. Older than CORS; still asked for with "j".

/** A script that hands `payload` to the page's function number `index`. */
export function encodeScript(index: string, payload: string): string {
  // U+2028 and U+2029 end a line in scripts of old browsers, though not in JSON.
  const text = JSON.stringify(payload)
    .replace(/\u2028/g, "\\u2028")
    .replace(/\u2029/g, "\\u2029");
  return `___eio[${index.replace(/\D/g, "")}](${text});`;
}

/**
 * The payload in a form's field "d", or `undefined`. Browsers write line ends into forms as they
 * like, so clients escape them: as `\\n`, and what looks so already as `\\\\n`.
 */
export function decodeForm(body: string): string | undefined {
  const data = new URLSearchParams(body).get("d");
  return data?.replace(/\\\\n|\\n/g, (escaped) => (escaped.length === 2 ? "\n" : "\\n"));
}
