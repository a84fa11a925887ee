// Runs the chat of examples/chat on two servers that share one Redis.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";

import { startChat } from "../../examples/chat/server.ts";
import { connectTo } from "../support/client.ts";
import { ENVIRONMENT } from "../support/environment.ts";
import { heard } from "../support/heard.ts";
import { until } from "../support/net.ts";
import { noRedis, startRedis } from "../support/redis.ts";

const ROOT = join(import.meta.dirname, "../..");

test("two chat servers with one Redis share users, messages and history", {
  skip: noRedis,
}, async (context) => {
  const chats: Awaited<ReturnType<typeof startChat>>[] = [];
  // This hook is added before the hook of startRedis(), so that the chats close before Redis stops.
  context.after(() => Promise.all(chats.map((chat) => chat.close())));
  const redis = await startRedis(context);
  for (let n = 0; n < 2; n++) chats.push(await startChat(0, redis.url));
  const people = chats.map(({ url }) => connectTo(context, url));
  const [ann, bob] = people;
  assert.ok(ann !== undefined && bob !== undefined);
  let names: string[] = [];
  bob.on("presence", (peopleByRoom) => {
    names = peopleByRoom.lobby.map(({ name }: { name: string }) => name).sort();
  });
  await ann.emitWithAck("enter", "Ann", "lobby");
  await bob.emitWithAck("enter", "Bob", "lobby");
  await until(() => names.join() === "Ann,Bob");

  const message = heard(bob, "message");
  await ann.emitWithAck("message", "1", "hello");
  assert.equal((await message)[0].content, "hello");

  // Each server also stores the messages of the other server.
  const carol = connectTo(context, `${chats[1]?.url}`);
  const past = new Promise((resolve) => {
    carol.emit("enter", "Carol", "lobby", (_refusal: string | null, said: unknown) =>
      resolve(said),
    );
  });
  assert.equal(JSON.stringify(await past).includes('"content":"hello"'), true);
});

test("the chat server exits with status 1 and a clear error if Redis is unreachable", async () => {
  const child = spawn(
    process.execPath,
    ["--import", "tsx", join(ROOT, "examples/chat/server.ts")],
    { cwd: ROOT, env: { ...ENVIRONMENT, PORT: "0", REDIS_URL: "redis://127.0.0.1:1" } },
  );
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const [code] = await once(child, "close");
  assert.equal(code, 1);
  assert.match(errors, /RedisUnavailableError: .*ECONNREFUSED/);
});
