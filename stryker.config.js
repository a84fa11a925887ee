// Mutation tests with Stryker. CONTRIBUTING.md describes them.

/** Newer versions of Node run TypeScript by themselves, in half the time, and count a file that throws as a failed test. */
const NODE_ARGS = process.features.typescript
  ? ["--test", "--test-isolation=none"]
  : ["--import", "tsx"];

// Random tests take the same inputs in each run, or else what they find would change from run to run.
process.env.SEED ??= "2026";

/** @type {import("@stryker-mutator/api/core").PartialStrykerOptions} */
export default {
  mutate: ["protocol/**/*.ts", "lib/websocket/**/*.ts"],
  testRunner: "tap",
  plugins: ["@stryker-mutator/tap-runner"],
  tap: {
    // Without the tests that are random, since a fault that is found by chance is not found, and those that take seconds.
    testFiles: [
      "tests/protocol/**/!(noise|oracle|autobahn).test.ts",
      "tests/lib/websocket/!(client-autobahn).test.ts",
      "tests/limits/websocket-server.test.ts",
    ],
    // Many changes make a test hang. This limit ends it earlier than Stryker's own limit.
    nodeArgs: [...NODE_ARGS, "--test-reporter=tap", "--test-timeout=5000"],
  },
  coverageAnalysis: "perTest",
  concurrency: 1,
  timeoutMS: 20_000,
  incremental: true,
  incrementalFile: "reports/mutation/incremental.json",
  reporters: ["clear-text", "progress-append-only", "json"],
  // Stryker would rewrite the paths in tsconfig.json with functions that TypeScript 7 no longer has. Ours has no
  // paths that leave the copy, so Stryker is shown none.
  tsconfigFile: "none",
  ignorePatterns: ["bench", "dist"],
};
