// Connects a client under test again and again, until there are no more cases.

/**
 * Calls `come` while the kit has more cases. `come` opens one connection, and resolves when the connection has ended.
 */
export async function loop(
  url: string,
  kind: "websocket" | "socketio",
  come: () => Promise<void>,
): Promise<void> {
  while (await isMore(`${url}/more?${kind}`)) await come();
}

async function isMore(url: string): Promise<boolean> {
  try {
    return (await (await fetch(url)).text()) === "yes";
  } catch {
    // The kit has stopped listening.
    return false;
  }
}

/** Returns the first argument, the URL of the server, if the module is the main program. */
export function isProgram(filename: string): string | undefined {
  return process.argv[1] === filename ? process.argv[2] : undefined;
}
