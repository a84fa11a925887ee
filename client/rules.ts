// protocol/engineio/rules.ts and protocol/socketio/rules.ts for minified bundles: errors name the
// rule that the server broke, and the sentences about it stay there.

import type { RuleName as EngineRuleName } from "../protocol/engineio/rules.ts";
import type { RuleName as SocketRuleName } from "../protocol/socketio/rules.ts";

export class ProtocolError extends Error {
  override readonly name = "ProtocolError";

  constructor(rule: EngineRuleName | SocketRuleName) {
    super(`the server broke ${rule}`);
  }
}
