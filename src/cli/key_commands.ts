/**
 * The commands on keys: get, set and their kin.
 *
 * @module
 */

import type { Command } from "commander";
import { compressedSerde, jsonSerde } from "../../mod.ts";
import { lifetime, type Register, type Run, whole, wide } from "./arguments.ts";
import { MISS, OK, UsageError } from "./failure.ts";
import type { Session } from "./session.ts";
import { columns } from "./output.ts";
import { json, shown, shownKey, timeText, valueFields } from "./text.ts";
import { flagsFor, KINDS, readValue } from "./values.ts";

/** What a read found. */
interface Found {
  readonly key: string;
  readonly value: Uint8Array;
  readonly flags: number;
  readonly cas: bigint;
}

/** Registers them. */
export const registerKeyCommands: Register = (program, run) => {
  registerReads(program, run);
  registerStores(program, run);
  registerCounters(program, run);
  program.command("touch <key> <ttl>")
    .description("set the lifetime of an item")
    .action((key: string, ttl: string) =>
      run(async (session) =>
        await tell(
          session,
          key,
          "touched",
          await session.client.touch(key, lifetime(ttl)),
        )
      )
    );
  program.command("delete <keys...>").alias("rm")
    .description("delete items")
    .action((keys: string[]) =>
      run(async (session) => {
        let code = OK;
        for (const key of keys) {
          const done = await session.client.delete(key);
          code = Math.max(code, await tell(session, key, "deleted", done));
        }
        return code;
      })
    );
};

function registerReads(program: Command, run: Run): void {
  program.command("get <keys...>")
    .description("print values, of one key untouched")
    .option("--touch <ttl>", "set this lifetime, too", lifetime)
    .option(
      "--decode",
      "print what jsonSerde reads, also of what is compressed",
    )
    .action((keys: string[], flags: GetFlags) =>
      run((session) => get(session, keys, flags))
    );
  program.command("gets <key>")
    .description("print the CAS unique on a line, then the value")
    .action((key: string) =>
      run(async (session) => {
        const found = await read(session, key);
        if (found === undefined) return MISS;
        if (session.json) return await printJson(session, found);
        await session.terminal.print(String(found.cas));
        return await printValue(session, found.value);
      })
    );
  program.command("item <key>").alias("peek")
    .description("print what is known of an item, without counting as a read")
    .action((key: string) => run((session) => printItem(session, key)));
}

interface GetFlags {
  readonly touch?: number;
  readonly decode?: boolean;
}

/** What programs store by default, compressed or not. */
const decoder = compressedSerde({ serde: jsonSerde });

/** A value as text: as it is if it is text, else as JSON. */
async function decoded(found: Found): Promise<Found> {
  const { key, value, flags } = found;
  const result = await decoder.deserialize(key, value, flags);
  if (result instanceof Uint8Array) return { ...found, value: result };
  const text = typeof result === "string" ? result : json(result, 2);
  return { ...found, value: new TextEncoder().encode(text) };
}

async function get(
  session: Session,
  keys: readonly string[],
  { touch, decode = false }: GetFlags,
): Promise<number> {
  if (touch !== undefined) {
    await Promise.all(keys.map((key) => session.client.touch(key, touch)));
  }
  const readOne = async (key: string) => {
    const found = await read(session, key);
    return decode && found !== undefined ? await decoded(found) : found;
  };
  if (keys.length === 1) {
    const found = await readOne(keys[0]);
    if (found === undefined) return MISS;
    return session.json
      ? await printJson(session, found)
      : await printValue(session, found.value);
  }
  const all = await Promise.all(keys.map(readOne));
  for (const [i, found] of all.entries()) {
    if (found === undefined) continue;
    if (session.json) await printJson(session, found);
    else {
      await session.terminal.print(
        `${shownKey(keys[i])}\t${shown(found.value)}`,
      );
    }
  }
  return all.includes(undefined) ? MISS : OK;
}

async function read(
  session: Session,
  key: string,
): Promise<Found | undefined> {
  const item = await session.client.getItem<Uint8Array>(key);
  if (item === undefined) return undefined;
  const { value, flags, cas } = item;
  return { key, value, flags, cas };
}

async function printJson(
  session: Session,
  { key, value, flags, cas }: Found,
): Promise<number> {
  await session.terminal.print(
    json({ key, ...valueFields(value), flags, cas }),
  );
  return OK;
}

async function printValue(
  session: Session,
  value: Uint8Array,
): Promise<number> {
  const { terminal } = session;
  if (terminal.isOutput) await terminal.print(shown(value));
  else await terminal.write(value);
  return OK;
}

async function printItem(session: Session, key: string): Promise<number> {
  const found = await session.client.meta.get<Uint8Array>(key, {
    returnFlags: true,
    returnCas: true,
    returnTtl: true,
    returnSize: true,
    returnHitBefore: true,
    returnLastAccess: true,
    noBump: true,
  });
  if (found.status === "miss") return MISS;
  const { flags, cas, ttl = -1, size, hitBefore, lastAccess, stale } = found;
  const server = session.serverOf(key);
  if (session.json) {
    const facts = { key, server, flags, cas, ttl, size, hitBefore, lastAccess };
    await session.terminal.print(json({ ...facts, stale: stale === true }));
    return OK;
  }
  await session.terminal.print(columns([
    ["key", key],
    ["server", server],
    ["size", `${size} bytes`],
    ["flags", `${flags}${meaningOf(flags ?? 0)}`],
    ["cas", cas],
    ["ttl", ttl < 0 ? "never expires" : `${ttl} (${timeText(ttl)})`],
    ["read before", hitBefore ? "yes" : "no"],
    ["last access", `${timeText(lastAccess ?? 0)} ago`],
    ...stale ? [["stale", "yes"] as const] : [],
  ]));
  return OK;
}

/** What `jsonSerde` would take the flags for. */
function meaningOf(flags: number): string {
  const kind = flags & 16
    ? "text"
    : flags & 2
    ? "integer"
    : flags & 4
    ? "bigint"
    : flags & 32
    ? "JSON"
    : flags & 1
    ? "pickle"
    : flags === 0
    ? "bytes"
    : "";
  const all = [kind, flags & 8 ? "compressed" : ""].filter((word) => word);
  return all.length > 0 ? ` (${all.join(", ")})` : "";
}

interface StoreFlags {
  readonly ttl?: number;
  readonly flags?: number;
  readonly as?: string;
}

const STORES = [
  ["set", "store a value"],
  ["add", "store a value where there is none"],
  ["replace", "store a value where there is one"],
  ["append", "put bytes behind a value"],
  ["prepend", "put bytes before a value"],
] as const;

function registerStores(program: Command, run: Run): void {
  for (const [name, description] of STORES) {
    const command = program.command(`${name} <key> [value]`)
      .description(
        `${description}; without it, or with -, from standard input`,
      );
    if (name !== "append" && name !== "prepend") withStoreOptions(command);
    command.action((
      key: string,
      given: string | undefined,
      flags: StoreFlags,
    ) =>
      run(async (session) => {
        const value = await readValue(session, given);
        const stored = await session.client[name](
          key,
          value,
          storeOptions(flags, value),
        );
        return await tell(session, key, "stored", stored);
      })
    );
  }
  withStoreOptions(
    program.command("cas <key> <cas> [value]")
      .description("store a value if the item has not changed since gets"),
  ).action((
    key: string,
    cas: string,
    given: string | undefined,
    flags: StoreFlags,
  ) =>
    run(async (session) => {
      const unique = wide("cas")(cas);
      const value = await readValue(session, given);
      const stored = await session.client.cas(
        key,
        value,
        unique,
        storeOptions(flags, value),
      );
      if (stored === false) session.terminal.warn("memcache: changed since");
      return await tell(session, key, "stored", stored === true);
    })
  );
}

function withStoreOptions(command: Command): Command {
  return command
    .option(
      "--ttl <ttl>",
      "lifetime: seconds, 15m, 12h, 7d; 0 for ever",
      lifetime,
    )
    .option(
      "--flags <number>",
      "the number stored beside it",
      whole("--flags", 0, 2 ** 32 - 1),
    )
    .option(
      "--as <kind>",
      `for jsonSerde to read: ${KINDS.join(", ")}`,
      (kind) => {
        if (KINDS.includes(kind)) return kind;
        throw new UsageError(
          `Cannot use --as ${kind}: one of ${KINDS.join(", ")}`,
        );
      },
    );
}

function storeOptions(
  { ttl, flags, as }: StoreFlags,
  value: Uint8Array,
): { ttl?: number; flags?: number } {
  const all = flagsFor(as, flags, value);
  return {
    ...(ttl === undefined ? {} : { ttl }),
    ...(all === undefined ? {} : { flags: all }),
  };
}

function registerCounters(program: Command, run: Run): void {
  for (const name of ["incr", "decr"] as const) {
    program.command(`${name} <key> [delta]`)
      .description(
        `${name === "incr" ? "add to" : "take from"} a counter, and print it`,
      )
      .option(
        "--initial <number>",
        "create a missing counter with this",
        wide("--initial"),
      )
      .option("--ttl <ttl>", "lifetime of a counter that is created", lifetime)
      .action((
        key: string,
        delta: string | undefined,
        options: { initial?: bigint; ttl?: number },
      ) =>
        run(async (session) => {
          const { initial, ttl } = options;
          if (ttl !== undefined && initial === undefined) {
            throw new UsageError("Cannot use --ttl: --initial is missing");
          }
          const value = await session.client[name](
            key,
            wide("delta")(delta ?? "1"),
            {
              ...(initial === undefined ? {} : { initial }),
              ...(ttl === undefined ? {} : { ttl }),
            },
          );
          if (value === undefined) return MISS;
          await session.terminal.print(
            session.json ? json({ key, value }) : String(value),
          );
          return OK;
        })
      );
  }
}

/** Says what became of a change: in JSON, and where someone looks. */
async function tell(
  session: Session,
  key: string,
  what: string,
  done: boolean,
): Promise<number> {
  const { terminal } = session;
  if (session.json) await terminal.print(json({ key, [what]: done }));
  else if (terminal.isOutput) await terminal.print(done ? what : `not ${what}`);
  return done ? OK : MISS;
}
