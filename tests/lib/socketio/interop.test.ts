// Tests the server with the current version of socket.io-client, over each transport and through the upgrade.

import { interopSuite, type Way } from "../../suites/interop.ts";
import { generation } from "../../support/generations.ts";

const TODAY = { generation: generation("4.8.4") };

const WAYS: readonly Way[] = [
  { name: "polling", ...TODAY, options: { transports: ["polling"] }, settled: "polling" },
  { name: "websocket", ...TODAY, options: { transports: ["websocket"] }, settled: "websocket" },
  { name: "polling and the upgrade", ...TODAY, options: {}, settled: "websocket" },
  {
    name: "websocket with permessage-deflate",
    ...TODAY,
    options: { transports: ["websocket"] },
    settled: "websocket",
    server: { perMessageDeflate: { threshold: 0 } },
  },
];

for (const way of WAYS) interopSuite(way);
