// Why peers fail the cases they fail, as conformance/results.ts writes it beside each failure.

/** By peer, then by the id of the case, or a pattern of ids as --only has it. */
export const EXPLANATIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {};
