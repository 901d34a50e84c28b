/**
 * Deliberate differences in how replies are read.
 *
 * @module
 */
import type { Case, Step } from "./_cases.ts";
import type { Difference } from "./_differences.ts";
import { hasSerde } from "./_options.ts";
import { notation, type Tagged, toOurs } from "./_python.ts";
import { bytes } from "../_vectors.ts";

const CLIENT = ["Client"];
const STORES = ["set", "add", "replace", "append", "prepend", "cas"];
const MANY = ["set_many", "set_multi", "delete_many", "delete_multi"];
const ERROR_LINE = /^(?:ERROR|CLIENT_ERROR|SERVER_ERROR)[^\r\n]*\r\n$/;
const PYTHON_ERRORS = /^!(?:KeyError|ValueError|IndexError)$/;
const UNKNOWN = "!MemcacheUnknownError";

/** The replies that protocol.txt allows, by method. */
const LEGAL: Readonly<Record<string, RegExp>> = {
  delete: /^(?:DELETED|NOT_FOUND)\r\n/,
  touch: /^(?:TOUCHED|NOT_FOUND)\r\n/,
  incr: /^(?:\d+ *|NOT_FOUND)\r\n/,
  decr: /^(?:\d+ *|NOT_FOUND)\r\n/,
  flush_all: /^OK\r\n/,
  cache_memlimit: /^OK\r\n/,
  version: /^VERSION [^\r\n]*\r\n/,
};
const READS = /^(?:gets?|gats?)(?:_many|_multi)?$|^__getitem__$/;

/** Where the reply to a read ends, or -1 if protocol.txt allows no such. */
function endOfRead({ sent, reply }: Step): number {
  const keys = sent.trimEnd().split(" ").slice(1);
  for (let at = 0;;) {
    if (reply.startsWith("END\r\n", at)) return at + 5;
    const head = /^VALUE ([^ ]+) \d+ (\d+)(?: \d+)?\r\n/.exec(reply.slice(at));
    const asked = keys.indexOf(head?.[1] ?? "");
    if (head === null || asked < 0) return -1;
    keys.splice(asked, 1);
    at += head[0].length + Number(head[2]) + 2;
  }
}

/** Whether a whole reply is one that protocol.txt has for the command. */
function isLegal(step: Step): boolean {
  if (READS.test(step.method)) return endOfRead(step) > 0;
  return LEGAL[step.method]?.test(step.reply) ?? true;
}

/** Whether bytes come behind a whole reply. */
function goesOn(step: Step): boolean {
  const { method, reply } = step;
  if (MANY.includes(method) || method === "stats") return false;
  if (READS.test(method)) {
    const end = endOfRead(step);
    return end > 0 && end < reply.length;
  }
  if (method === "raw_command" && step.kwargs.end_tokens?.t === "str") {
    return false;
  }
  const end = reply.indexOf("\r\n");
  return end >= 0 && end + 2 < reply.length;
}

function ignoresErrors({ options }: Case): boolean {
  return (options.ignore_exc as Tagged | undefined)?.v === true;
}

/** The flags of the value in a reply to `get`, or -1. */
function flagsIn(reply: string): number {
  return Number(/^VALUE [^ ]+ (\d+)/.exec(reply)?.[1] ?? -1);
}

/** Whether a case has a serde in whose place jsonSerde stands. */
function pickles({ options }: Case): boolean {
  return typeof options.serde === "string" &&
    /^pickle|^Pickle|^compressed|^Compressed/.test(options.serde);
}

/** What the statistics of a reply are here, if pymemcache has other types. */
function typedStats({ returns, reply }: Step): string | undefined {
  if (returns?.t !== "dict") return undefined;
  let otherwise = false;
  const typed = (returns.v as ReadonlyArray<readonly [Tagged, Tagged]>).map(
    ([{ v: name }, value]) => {
      if (value.t !== "bytes") return [name, toOurs(value)];
      // Of two with one name the later counts.
      const [line = ""] = reply.split("\r\n").reverse().filter((line) =>
        line.split(" ")[1] === name
      );
      const text = line.split(" ").slice(2).join(" ");
      const ours = /^(?:yes|on)$/.test(text)
        ? true
        : /^(?:no|off)$/.test(text)
        ? false
        : /^\d+\.\d+$/.test(text)
        ? Number(text)
        : bytes(text);
      otherwise ||= notation(ours) !== notation(toOurs(value));
      return [name, ours];
    },
  );
  return otherwise ? notation(Object.fromEntries(typed)) : undefined;
}

/** Entries about replies. */
export const REPLY_DIFFERENCES: readonly Difference[] = [
  {
    name: "an error line is a whole reply and keeps the connection",
    why: "nothing is out of step, and others' commands are in flight; an " +
      "error to a command with a value drops it, unless the value was refused",
    clients: CLIENT,
    change: (step, recorded) => {
      const { method, reply } = step;
      if (step.open !== false || step.eof || !ERROR_LINE.test(reply)) return;
      if (/non-numeric|unauthenticated/.test(reply)) return;
      if (method === "stats" && ignoresErrors(recorded)) return;
      const refused = /too large for cache|out of memory storing/.test(reply);
      if (STORES.includes(method) && !refused) return;
      return { open: true };
    },
  },
  {
    name: "a value that is no number has an error of its own",
    why: "it is the caller's own business; it is a MemcacheClientError, and " +
      "as every error line it keeps the connection",
    clients: CLIENT,
    change: ({ reply }) =>
      /^CLIENT_ERROR .*non-numeric/.test(reply)
        ? { outcome: "!MemcacheNonNumericError", open: true }
        : undefined,
  },
  {
    name: "a server that wants authentication has an error of its own",
    why: "the option auth is what to look at",
    clients: CLIENT,
    change: ({ reply }) =>
      reply === "CLIENT_ERROR unauthenticated\r\n"
        ? { outcome: "!MemcacheAuthError" }
        : undefined,
  },
  {
    name: "a memory limit that the server refuses is a MemcacheClientError",
    why: "memcached has words of its own for it; nothing is out of step",
    clients: CLIENT,
    change: ({ method, reply }) =>
      method === "cache_memlimit" && reply.startsWith("MEMLIMIT_")
        ? { outcome: "!MemcacheClientError", open: true }
        : undefined,
  },
  {
    name: "errorsAsMisses is for reads of keys, not for stats",
    why: "no statistics are not the same as no errors",
    clients: CLIENT,
    change: ({ method, outcome, reply }, recorded) => {
      if (method !== "stats" || !ignoresErrors(recorded)) return;
      if (outcome !== "{}") return;
      const error = reply.includes("SERVER_ERROR")
        ? "MemcacheServerError"
        : "MemcacheUnknownCommandError";
      // Behind a part of the statistics an error may be the rest of another.
      return { outcome: `!${error}`, open: !reply.startsWith("STAT") };
    },
  },
  {
    name: "a line that ends with LF alone is refused at once",
    why: "pymemcache waits for CRLF until the connection ends",
    clients: CLIENT,
    change: ({ reply, outcome }) =>
      /(?:^|[^\r])\n/.test(reply) && outcome === "!MemcacheUnexpectedCloseError"
        ? { outcome: UNKNOWN }
        : undefined,
  },
  {
    name: "a reply that cannot be read is a MemcacheUnknownError",
    why: "Python's own KeyError, ValueError or IndexError comes out of " +
      "pymemcache, which after incr and decr even keeps the connection",
    clients: CLIENT,
    change: ({ outcome, sent }, recorded) =>
      PYTHON_ERRORS.test(outcome) && sent !== "" && !hasSerde(recorded)
        ? { outcome: UNKNOWN, open: false }
        : undefined,
  },
  {
    name: "a reply that protocol.txt does not have is no answer",
    why: "pymemcache takes any line for False, OK for END, VALUES for VALUE, " +
      "a second value of one key for the first; such a connection is out of " +
      "step and is dropped",
    clients: CLIENT,
    change: (step, { client }) => {
      // Of pools it was not recorded whether they kept it.
      const { open = client === "PooledClient" } = step;
      const { method, outcome, reply, sent } = step;
      const taken = !outcome.startsWith("!") ||
        (method === "version" && outcome === UNKNOWN);
      return taken && sent !== "" && reply !== "" && !step.eof &&
          !ERROR_LINE.test(reply) && open && !isLegal(step)
        ? { outcome: UNKNOWN, open: false }
        : undefined;
    },
  },
  {
    name: "bytes behind a reply drop the connection",
    why: "pymemcache throws them away, if they come with the reply; the call " +
      "keeps its result",
    clients: CLIENT,
    change: (step) =>
      step.open === true && step.sent !== "" && goesOn(step)
        ? { open: false }
        : undefined,
  },
  {
    name: "stats reads RESET, PREFIX lines and the one line of sizes_enable",
    why: "they are what memcached answers; pymemcache fails, or waits for ever",
    clients: CLIENT,
    change: ({ method, reply, open }) => {
      const lines = reply.split("\r\n").map((line) => line.split(" "));
      if (method !== "stats" || !/^RESET|^PREFIX|sizes_status/.test(reply)) {
        return;
      }
      if (reply.startsWith("STAT") && reply.includes("END")) return;
      const prefixes = lines.filter(([word]) => word === "PREFIX").map(
        ([, name, ...rest]) => [name, bytes(rest.join(" "))],
      );
      return {
        outcome: notation(Object.fromEntries(prefixes)),
        open: open === undefined ? undefined : true,
      };
    },
  },
  {
    name: "statistics have the types that their text has",
    why: "pymemcache knows some names only, and cuts text at a blank",
    clients: CLIENT,
    change: (step) => {
      const outcome = step.method === "stats" ? typedStats(step) : undefined;
      return outcome === undefined ? undefined : { outcome };
    },
  },
  {
    name: "jsonSerde is no pickle",
    why: "what pickle_serde pickles is stored as JSON with flag 32, a long " +
      "integer with flag 4; a pickle is an error, where pymemcache makes a " +
      "miss of one that is damaged",
    clients: CLIENT,
    change: ({ method, args, reply, sent }, recorded) => {
      if (!pickles(recorded)) return;
      if (flagsIn(reply) === 1) return { outcome: "!MemcacheSerdeError" };
      if (method !== "set") return;
      const value = toOurs(args[1]);
      if (typeof value === "bigint") {
        return { sent: sent.replace(/^(set [^ ]+) 2 /, "$1 4 ") };
      }
      if (!["bool", "none", "float", "list", "dict"].includes(args[1].t)) {
        return;
      }
      const json = JSON.stringify(value);
      return {
        sent: sent.replace(
          /^(set [^ ]+) 1 0 [^]*/,
          (_, head) => `${head} 32 0 ${json.length}\r\n${json}\r\n`,
        ),
      };
    },
  },
  {
    name: "flag 32 is JSON",
    why: "the next flag that pymemcache leaves free; it hands over the bytes",
    clients: CLIENT,
    change: ({ reply, outcome }, recorded) =>
      pickles(recorded) && flagsIn(reply) === 32 && outcome.startsWith("b")
        ? { outcome: "!MemcacheSerdeError" }
        : undefined,
  },
  {
    name: "a serde that fails is a MemcacheSerdeError, and no connection ends",
    why: "the reply was whole; the serde's own error is the cause",
    clients: CLIENT,
    change: ({ method, outcome, open, sent }, recorded) => {
      if (!hasSerde(recorded) || method === "constructor") return;
      if (outcome.startsWith("!") && !outcome.startsWith("!Memcache")) {
        return { outcome: "!MemcacheSerdeError", open: sent !== "" };
      }
      return ignoresErrors(recorded) && open === false
        ? { open: true }
        : undefined;
    },
  },
  {
    name: "gets of a pool answers its defaults where errors are misses",
    why: "as any other miss; pymemcache's PooledClient forgets them",
    clients: ["PooledClient"],
    change: ({ method, args, outcome, eof }, recorded) =>
      method === "gets" && ignoresErrors(recorded) && args.length === 3 &&
        outcome === "[none, none]"
        ? { outcome: notation(args.slice(1).map(toOurs)), open: !eof }
        : undefined,
  },
  {
    name: "quit() of a pool that has no connection sends nothing",
    why: "nobody is there to say goodbye to; pymemcache connects to do so",
    clients: ["PooledClient"],
    change: ({ method, sent }) =>
      method === "quit" && sent !== "" ? { sent: "" } : undefined,
  },
  {
    name: "setMany() of a cluster tells what was lost, and stops at nothing",
    why: "with ignore_exc pymemcache says that all was stored; without, it " +
      "stops at the first reply that it cannot read",
    clients: ["HashClient"],
    change: ({ method, sent, reply }) =>
      method === "set_many" && reply.includes("UNKNOWN")
        ? {
          outcome: UNKNOWN,
          sent: sent.includes("key3")
            ? sent
            : `${sent}set key3 0 0 6\r\nvalue3\r\n`,
          reply: `${reply}STORED\r\n`,
        }
        : undefined,
  },
  {
    name: "the error of a test's own socket is a lost connection",
    why: "pymemcache's tests let a mock raise what no socket raises",
    clients: CLIENT,
    change: ({ eof, outcome }, { file }) =>
      file === "wire_suite_unit" && eof &&
        outcome !== "!MemcacheUnexpectedCloseError"
        ? { outcome: "!MemcacheUnexpectedCloseError" }
        : undefined,
  },
];
