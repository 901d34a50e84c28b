/**
 * The commands for servers: stats, version, flush, ping, raw.
 *
 * @module
 */

import type { Client, Stats } from "../../mod.ts";
import { type Register, whole } from "./arguments.ts";
import { FAILURE, OK, UsageError } from "./failure.ts";
import { columns, complain, printOutcomes, table } from "./output.ts";
import type { Outcome, Session } from "./session.ts";
import { json, shown } from "./text.ts";

/** What is known of how to print some statistics. */
interface Kind<T> {
  readonly read: (client: Client) => Promise<T>;
  readonly text: (value: T) => string;
}

function kind<T>(
  read: (client: Client) => Promise<T>,
  text: (value: T) => string,
): (session: Session) => Promise<number> {
  return async (session) =>
    await printOutcomes(session, await session.each(read), text);
}

const stats = (...args: string[]) =>
  kind<Stats>(
    (client) => client.stats(...args),
    (found) => columns(Object.entries(found)),
  );

/** How each kind of statistics is read and printed. */
const KINDS: Readonly<Record<string, (session: Session) => Promise<number>>> = {
  items: kind(
    (client) => client.statsItems(),
    (found) => table(found, "class"),
  ),
  slabs: kind(
    (client) => client.statsSlabs(),
    ({ active_slabs, total_malloced, slabs }) =>
      [
        columns(Object.entries({ active_slabs, total_malloced })),
        table(slabs, "class"),
      ].join("\n"),
  ),
  settings: stats("settings"),
  sizes: kind(
    (client) => client.statsSizes(),
    (found) =>
      found.length === 0
        ? "no sizes: the server does not track them, stats sizes_enable does"
        : columns(found.map(([size, count]) => [String(size), count])),
  ),
  conns: kind(
    (client) => client.statsConns(),
    (found) => table(found, "descriptor"),
  ),
};

/** Commands whose reply ends with a line of its own. */
const LONG =
  /^(?:get|gets|gat|gats|config|lru_crawler metadump|stats(?! (?:reset|detail o)))(?: |$)/;

/** Meta commands: what comes after them says where their reply ends. */
const META = /^m[gsdae] /;

/** Registers them. */
export const registerServerCommands: Register = (program, run) => {
  program.command("stats [kind...]")
    .description(
      `print statistics: ${Object.keys(KINDS).join(", ")}, reset, or none`,
    )
    .action((kind: string[]) =>
      run((session) => (KINDS[kind.join(" ")] ?? stats(...kind))(session))
    );
  program.command("version")
    .description("print the versions of the servers")
    .action(() =>
      run(async (session) =>
        await printOutcomes(
          session,
          await session.each((client) => client.version()),
          (version, server) =>
            session.addresses.length > 1 ? `${server}  ${version}` : version,
          false,
        )
      )
    );
  program.command("flush")
    .description("make all items of all servers invalid")
    .option("--delay <seconds>", "not before", whole("--delay", 0, 2 ** 31 - 1))
    .action(({ delay }: { delay?: number }) =>
      run(async (session) =>
        await printOutcomes(
          session,
          await session.each((client) =>
            client.flushAll(delay === undefined ? {} : { delay })
          ),
          () => session.terminal.isOutput ? "flushed" : "",
          false,
        )
      )
    );
  program.command("ping")
    .description("time an answer of every server")
    .option("-c, --count <number>", "how many times", whole("--count", 1), 1)
    .option(
      "-i, --interval <ms>",
      "milliseconds between",
      whole("--interval", 0, 3_600_000),
      1000,
    )
    .action((options: { count: number; interval: number }) =>
      run((session) => ping(session, options))
    );
  program.command("raw <words...>")
    .description("send a line as it is to every server, and print the reply")
    .option("--end <text>", "what ends the reply, such as END\\r\\n")
    .action((words: string[], { end }: { end?: string }) =>
      run((session) => raw(session, words, end))
    );
};

async function ping(
  session: Session,
  { count, interval }: { count: number; interval: number },
): Promise<number> {
  let code = OK;
  const { signal } = session.interrupt;
  session.endsByItself = true;
  // Connecting is not what is timed.
  await session.each((client) => client.version({ signal }));
  for (let i = 0; i < count && !signal.aborted; i++) {
    if (i > 0) await pause(interval, signal);
    const outcomes: Outcome<{ ms: number; version: string }>[] = await session
      .each(async (client) => {
        const begun = performance.now();
        const version = await client.version({ signal });
        const ms = performance.now() - begun;
        return { ms: Math.round(ms * 1000) / 1000, version };
      });
    if (signal.aborted) break;
    for (const outcome of outcomes) {
      if (!("value" in outcome)) {
        complain(session, outcome.error);
        code = FAILURE;
        continue;
      }
      const { server, value: { ms, version } } = outcome;
      await session.terminal.print(
        session.json
          ? json({ server, ms, version })
          : `${server}  ${ms.toFixed(2)} ms  memcached ${version}`,
      );
    }
  }
  return code;
}

/** Waits, unless it is interrupted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}

/** Text with \r, \n, \t, \0 and \\ written out. */
function unescaped(text: string): string {
  const known: Record<string, string> = {
    r: "\r",
    n: "\n",
    t: "\t",
    0: "\0",
    "\\": "\\",
  };
  return text.replace(/\\(.)/gs, (all, char: string) => known[char] ?? all);
}

async function raw(
  session: Session,
  words: readonly string[],
  end: string | undefined,
): Promise<number> {
  const { terminal } = session;
  let command: string | Uint8Array = words.join(" ");
  if (command === "-") {
    command = await terminal.readAll();
    if (end === undefined) end = "\\r\\n";
  }
  if (command.length === 0) throw new UsageError("Cannot send: empty line");
  const endToken = end !== undefined
    ? unescaped(end)
    : typeof command === "string" && LONG.test(command)
    ? "END\r\n"
    : "\r\n";
  if (endToken === "") throw new UsageError("Cannot use --end: it is empty");
  const isMeta = end === undefined && typeof command === "string" &&
    META.test(command);
  const outcomes = await session.each((client) =>
    isMeta
      ? client.rawCommand(
        new TextEncoder().encode(`${command}\r\nmn`),
        { endToken: "MN\r\n" },
      )
      : client.rawCommand(command, { endToken })
  );
  if (session.json) {
    return await printOutcomes(
      session,
      outcomes.map((outcome) =>
        "value" in outcome
          ? { ...outcome, value: shown(outcome.value) }
          : outcome
      ),
      (reply) => reply,
    );
  }
  let code = OK;
  for (const outcome of outcomes) {
    if (!("value" in outcome)) {
      code = Math.max(code, complain(session, outcome.error));
      continue;
    }
    if (outcomes.length > 1) await terminal.print(`# ${outcome.server}`);
    const { value } = outcome;
    if (terminal.isOutput) {
      await terminal.print(shown(value).replace(/\\x0d?\n?$/, ""));
    } else {
      await terminal.write(value);
      if (value[value.length - 1] !== 10) await terminal.write("\n");
    }
  }
  return code;
}
