// The Accept-Encoding field of a request. RFC 9110 §12.5.3.

/** RFC 9110 §12.4.2: from 0 to 1, with three decimals at most. */
const QVALUE = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;

/**
 * Returns the content coding that the client prefers, or "identity" for none. A client that sends
 * no field, or an empty one, is sent none.
 *
 * @param field the field's value. Names are compared without regard to case; a coding with an
 * invalid weight is not accepted
 * @param available the codings that the server can apply. Of those with the same weight the first wins
 */
export function preferredEncoding<Coding extends string>(
  field: string | readonly string[] | undefined,
  available: readonly Coding[],
): Coding | "identity" {
  if (field === undefined) return "identity";
  const weights = parse(`${field}`);
  const weightOf = (coding: string): number => weights.get(coding) ?? weights.get("*") ?? 0;
  let preferred: Coding | "identity" = "identity";
  let highest = 0;
  for (const coding of available) {
    const weight = weightOf(coding);
    if (weight <= highest) continue;
    preferred = coding;
    highest = weight;
  }
  return weightOf("identity") > highest ? "identity" : preferred;
}

/** Returns the weight of each coding in the field; without one it is 1. */
function parse(field: string): ReadonlyMap<string, number> {
  const weights = new Map<string, number>();
  for (const item of field.toLowerCase().split(",")) {
    const [coding = "", ...parameters] = item.split(";").map((part) => part.trim());
    const weight = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2) ?? "1";
    weights.set(coding, QVALUE.test(weight) ? Number(weight) : 0);
  }
  return weights;
}
