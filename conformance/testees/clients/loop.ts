// A client under test comes again and again, until there are no more cases.

/** Calls `come` for one connection after the other; it resolves when that has ended. */
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
    // Nobody listens any more.
    return false;
  }
}

/** Runs `start` where the module is the program, with its first argument as the server's URL. */
export function isProgram(filename: string): string | undefined {
  return process.argv[1] === filename ? process.argv[2] : undefined;
}
