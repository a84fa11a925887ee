// The cases for clients, where our side is the server: `barewire conform --client` serves them.

export { CLIENT_CASES } from "./cases/client.ts";
export { serveClientCases } from "./harness/serve-clients.ts";
