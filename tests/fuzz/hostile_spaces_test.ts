/**
 * Whatever is given to whatever method of a namespace: one well-formed command is
 * sent for the keys that were given, beside the question for the version, or
 * nothing is.
 */
import { assertGreater } from "@std/assert";
import { Client } from "@x/memcache";
import { test } from "../_runtime.ts";
import { Random } from "../wire/_random.ts";
import { combinations, RULES, type Setup, tryAll } from "./_attempts.ts";
import { META_PLACES } from "./_meta_places.ts";
import { type Place, PLACES } from "./_places.ts";
import { BYTES, hostileText, THINGS } from "./_things.ts";

const SETUPS: readonly Setup[] = RULES.filter((_, i) => i % 4 === 0).map((
  [name, options],
) => ({
  name: `namespace, ${name}`,
  options,
  warm: true,
  isSpace: true,
}));

/** The places of the methods that a namespace has, but for its listings. */
function places(): Record<string, readonly Place[]> {
  const client = new Client("hostile:1");
  const space: object = client.namespace("s:");
  const methods = Object.entries(PLACES).filter(([name]) =>
    name in space && !["keys", "close", "disconnect"].includes(name)
  );
  client.close();
  return { ...Object.fromEntries(methods), ...META_PLACES };
}

test(
  "a namespace sends one well-formed command for a hostile key, or nothing",
  async () => {
    const random = new Random(11);
    const texts = Array.from({ length: 5 }, () => hostileText(random));
    const things = [...THINGS, ...BYTES, ...texts];
    const ways = await tryAll(combinations(places(), things, SETUPS, true));
    assertGreater(ways.refused, 5_000);
    assertGreater(ways.sent, 1_000);
  },
  { timeout: 120_000 },
);

test(
  "a namespace sends one well-formed command for hostile options and values, or nothing",
  async () => {
    const [setup] = SETUPS;
    const ways = await tryAll(
      combinations(places(), THINGS, [setup], false),
    );
    assertGreater(ways.refused, 3_000);
    assertGreater(ways.sent, 1_000);
  },
  { timeout: 120_000 },
);
