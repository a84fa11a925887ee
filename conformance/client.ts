// The cases for clients, in which the kit is the server. `barewire conform --client` runs them.

export { CLIENT_CASES } from "./cases/client.ts";
export { serveClientCases } from "./harness/serve-clients.ts";
