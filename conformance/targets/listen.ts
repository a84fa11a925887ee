// A target on the port that was asked for, or on a free one, which it tells.

import type { Server } from "node:http";

export function listen(http: Server): void {
  http.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => {
    const address = http.address();
    if (typeof address === "object" && address !== null) {
      console.log(`http://127.0.0.1:${address.port}`);
    }
  });
}
