/**
 * Fuzzes the decoder and the whole client with damaged replies, and
 * `structuredSerde` with damaged values:
 * `deno task fuzz [--seed=N] [--count=N] [--case=N] [--only=decoder|client|serde]`.
 *
 * @module
 */
import { fuzz, type Tally } from "../tests/fuzz/_fuzz.ts";
import {
  checkInherited,
  checkRead,
  makeDamaged,
} from "../tests/structured/_damage.ts";
import { checkDamagedStream } from "../tests/wire/_damaged.ts";
import { Random } from "../tests/wire/_random.ts";

const COUNT = 1_000_000;
const USAGE =
  "deno task fuzz [--seed=N] [--count=N] [--case=N] [--only=decoder|client|serde]";

interface Arguments {
  seed: number;
  count: number;
  from: number;
  only: string | undefined;
}

function readArguments(args: readonly string[]): Arguments {
  const result: Arguments = {
    seed: Math.floor(Math.random() * 2 ** 31),
    count: COUNT,
    from: 0,
    only: undefined,
  };
  for (const arg of args) {
    const [, name, value] = /^--(seed|count|case|only)=(\w+)$/.exec(arg) ?? [];
    const number = Number(value);
    if (name === "only" && /^(?:decoder|client|serde)$/.test(value)) {
      result.only = value;
    } else if (name !== "only" && Number.isSafeInteger(number)) {
      if (name === "seed") result.seed = number;
      else if (name === "count") result.count = number;
      else Object.assign(result, { from: number, count: 1 });
    } else {
      console.error(`${arg} is no argument\n${USAGE}`);
      Deno.exit(2);
    }
  }
  return result;
}

/** Says how far it is, once in a while. */
function progress(what: string, count: number): (done: number) => void {
  const start = Date.now();
  let said = start;
  return (done) => {
    const now = Date.now();
    if (now - said < 10_000 && done < count) return;
    said = now;
    const seconds = (now - start) / 1000;
    const each = Math.round(seconds / done * 1e6);
    console.log(
      `${what}: ${done.toLocaleString("en")} of ${
        count.toLocaleString("en")
      } cases, ${Math.round(seconds)} s, ${each} µs each`,
    );
  };
}

function fail(level: string, { seed }: Arguments, number: number): never {
  console.error(
    `\nReproduce: deno task fuzz --only=${level} --seed=${seed} --case=${number}`,
  );
  Deno.exit(1);
}

/** Runs a check that says how a case ended, for every case. */
function fuzzCases(
  level: string,
  args: Arguments,
  check: (random: Random) => string,
): Record<string, number> {
  const { seed, from, count } = args;
  const say = progress(level, count);
  const ends: Record<string, number> = {};
  for (let i = from; i < from + count; i++) {
    const random = new Random(Math.imul(seed, 0x01000193) ^ i);
    try {
      const end = check(random);
      ends[end] = (ends[end] ?? 0) + 1;
    } catch (error) {
      console.error(error);
      fail(level, args, i);
    }
    if ((i - from) % 1000 === 999 || i === from + count - 1) say(i - from + 1);
  }
  return ends;
}

function fuzzDecoder(args: Arguments): void {
  const ends = fuzzCases("decoder", args, checkDamagedStream);
  console.log("  streams that ended", ends);
}

function fuzzSerde(args: Arguments): void {
  const ends = fuzzCases(
    "serde",
    args,
    (random) => checkRead(makeDamaged(random)),
  );
  checkInherited();
  console.log("  damaged values that were read", ends);
}

async function fuzzClient(args: Arguments): Promise<void> {
  const { seed, from, count } = args;
  const say = progress("client", count);
  const seen = { from };
  const unhandled = (event: PromiseRejectionEvent): void => {
    event.preventDefault();
    console.error("A rejection that nobody handles:", event.reason);
    fail("client", args, seen.from);
  };
  globalThis.addEventListener("unhandledrejection", unhandled);
  const { tally, failures } = await fuzz({
    seed,
    from,
    count,
    progress: ({ cases }: Tally) => {
      seen.from = from + cases;
      say(cases);
    },
  });
  for (const { number, fault, report } of failures) {
    console.error(`\nCase ${number}: ${fault}\n${report}`);
    fail("client", args, number);
  }
  const { calls, damaged, exact, altered, connections } = tally;
  console.log(
    `  ${calls.toLocaleString("en")} calls on ` +
      `${connections.toLocaleString("en")} connections, ` +
      `${damaged.toLocaleString("en")} cases damaged`,
  );
  console.log(
    `  ${exact.toLocaleString("en")} values as they were stored, ` +
      `${altered.toLocaleString("en")} altered within a whole frame, 0 wrong`,
  );
  console.log("  errors", tally.errors);
  console.log("  damage", tally.kinds);
}

const args = readArguments(Deno.args);
console.log(`seed ${args.seed}`);
const isChosen = (level: string): boolean => (args.only ?? level) === level;
if (isChosen("decoder")) fuzzDecoder(args);
if (isChosen("serde")) fuzzSerde(args);
if (isChosen("client")) await fuzzClient(args);
