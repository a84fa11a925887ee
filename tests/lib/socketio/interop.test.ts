// The stock client, over each transport and through the upgrade.

import { interopSuite, type Way } from "../../suites/interop.ts";

const WAYS: readonly Way[] = [
  { name: "polling", options: { transports: ["polling"] }, settled: "polling" },
  { name: "websocket", options: { transports: ["websocket"] }, settled: "websocket" },
  { name: "polling and the upgrade", options: {}, settled: "websocket" },
  {
    name: "websocket with permessage-deflate",
    options: { transports: ["websocket"] },
    settled: "websocket",
    server: { perMessageDeflate: { threshold: 0 } },
  },
];

for (const way of WAYS) interopSuite(way);
