// JSONP: long-polling across origins in browsers without CORS. The response is a script that calls a function of the page, and
// the client sends its packets in a form. Clients request JSONP with the query parameter "j".

/** Returns a script that passes `payload` to the page's function with the number `index`. */
export function encodeScript(index: string, payload: string): string {
  // Old browsers treat U+2028 and U+2029 as line ends in scripts, although JSON allows them in strings.
  const text = JSON.stringify(payload)
    .replace(/\u2028/g, "\\u2028")
    .replace(/\u2029/g, "\\u2029");
  return `___eio[${index.replace(/\D/g, "")}](${text});`;
}

/**
 * Returns the payload in the field "d" of a form. `undefined` if the field is missing. Browsers change the line feeds in a form,
 * so clients escape them: a line feed is sent as the two characters `\n`, and these two characters are sent as `\\n`.
 */
export function decodeForm(body: string): string | undefined {
  const data = new URLSearchParams(body).get("d");
  return data?.replace(/\\\\n|\\n/g, (escaped) => (escaped.length === 2 ? "\n" : "\\n"));
}
