/**
 * Deliberate differences in what callers may give.
 *
 * @module
 */
import type { Case, Step } from "./_cases.ts";
import type { Change, Difference } from "./_differences.ts";
import { hasSerde } from "./_options.ts";
import { type Tagged, textOf, toKey, utf8Text } from "./_python.ts";
import { NOW } from "./_replay.ts";

const CLIENT = ["Client"];
const MEMCACHED = ["memcached"];
const ILLEGAL = "!MemcacheIllegalInputError";
const STORES = ["set", "add", "replace", "append", "prepend", "cas"];

function refused({ open }: Step): Change {
  return {
    sent: "",
    outcome: ILLEGAL,
    open: open === undefined ? undefined : false,
  };
}

/** An argument by its name and its place. */
function given(step: Step, name: string, place: number): Tagged | undefined {
  return step.kwargs[name] ?? step.args[place];
}

function exptimeOf(step: Step): Tagged | undefined {
  return given(step, "expire", step.method === "cas" ? 3 : 2);
}

/** Whether an integer is none, or out of its range. */
function isOutside(tagged: Tagged | undefined, max: bigint): boolean {
  if (tagged === undefined || tagged.t === "none") return false;
  if (tagged.t === "float") return false;
  if (tagged.t !== "int") return true;
  const number = BigInt(String(tagged.v));
  return number < 0n || number > max;
}

function isStore({ method }: Step): boolean {
  return STORES.includes(method);
}

/** The line of a store that pymemcache refuses, with flags and exptime 0. */
function storeOf(step: Step, recorded: Case, value: string): string {
  const [key, , cas] = step.args;
  const prefix = recorded.options.key_prefix as Tagged | undefined;
  const name = `${prefix === undefined ? "" : textOf(prefix)}${textOf(key)}`;
  const unique = step.method === "cas" ? ` ${casText(cas)}` : "";
  const flags = hasSerde(recorded) ? 1 : 0;
  return `${step.method} ${name} ${flags} 0 ${value.length}${unique}\r\n` +
    `${value}\r\n`;
}

function casText(cas: Tagged): string {
  return cas.t === "float" ? String(Number(cas.v)) : textOf(cas);
}

function isAscii(text: string): boolean {
  // deno-lint-ignore no-control-regex -- it is about control characters.
  return /^[\x00-\x7f]*$/.test(text);
}

/** The key of a call with its prefix, if it is text or bytes. */
function keyOf({ args }: Step, { options }: Case): string | undefined {
  const [key] = args;
  if (key?.t !== "str" && key?.t !== "bytes") return undefined;
  const prefix = options.key_prefix as Tagged | undefined;
  return `${prefix === undefined ? "" : textOf(prefix)}${textOf(key)}`;
}

// deno-lint-ignore no-control-regex -- it is about control characters.
const CONTROL = /[\x00-\x1f\x7f]/;

/** Whether a key cannot be sent by memcached's own rules, or by ours. */
function isBad(key: string): boolean {
  return key === "" || key.includes(" ") || CONTROL.test(key);
}

function allowsUnicode({ options }: Case): boolean {
  return (options.allow_unicode_keys as Tagged | undefined)?.v === true;
}

function prefixOf({ options }: Case): string | undefined {
  const prefix = options.key_prefix as Tagged | undefined;
  return prefix === undefined ? undefined : textOf(prefix);
}

/** Whether the prefix itself could be in no key. */
function hasBadPrefix(recorded: Case): boolean {
  const prefix = prefixOf(recorded);
  return prefix !== undefined && prefix !== "" &&
    (isBad(prefix) || prefix.length > 250);
}

/** Entries about arguments, keys and options. */
export const INPUT_DIFFERENCES: readonly Difference[] = [
  {
    name: "text goes as UTF-8",
    why: "pymemcache's default encoding is ASCII, which refuses it",
    clients: CLIENT,
    change: (step, recorded) => {
      const [key, value] = step.args;
      if (!isStore(step) || step.outcome !== ILLEGAL) return;
      if (value?.t !== "str" || isAscii(textOf(value))) return;
      if (!isAscii(textOf(key))) return;
      return {
        sent: storeOf(step, recorded, utf8Text(textOf(value))),
        reply: "STORED\r\n",
        outcome: "true",
        open: true,
      };
    },
  },
  {
    name: "numbers that go into a line are checked",
    why: "pymemcache sends what it is given: commands in the flags, -1, True",
    clients: CLIENT,
    change: (step) => {
      if (step.sent === "") return;
      const flags = given(step, "flags", step.method === "cas" ? 5 : 4);
      const bad = isStore(step)
        ? isOutside(flags, 0xffff_ffffn) || exptimeOf(step)?.t === "bool"
        : step.method === "touch"
        ? given(step, "expire", 1)?.t === "bool"
        : (step.method === "incr" || step.method === "decr") &&
          isOutside(step.args[1], 0xffff_ffff_ffff_ffffn);
      return bad ? refused(step) : undefined;
    },
  },
  {
    name: "a lifetime of more than 30 days is one from now",
    why: "memcached takes the number for a time since 1970, mostly long past",
    clients: CLIENT,
    change: (step) => {
      const exptime = isStore(step) ? exptimeOf(step) : undefined;
      const seconds = exptime?.t === "int" ? Number(exptime.v) : 0;
      if (seconds <= 2_592_000) return;
      return {
        sent: step.sent.replace(` ${seconds} `, ` ${NOW / 1000 + seconds} `),
      };
    },
  },
  {
    name: "illegal input is a MemcacheIllegalInputError, whatever is wrong",
    why: "Python's own TypeError or UnicodeEncodeError comes out of pymemcache",
    clients: CLIENT,
    change: ({ method, outcome, args }, recorded) => {
      if (!/^!(?:TypeError|UnicodeEncodeError)$/.test(outcome)) return;
      if (hasSerde(recorded) || args[0]?.t === "tuple") return;
      if (method === "raw_command" && args[0].t === "str") return;
      if (method === "constructor" && allowsUnicode(recorded)) return;
      return { outcome: ILLEGAL };
    },
  },
  {
    name: "a raw command goes as UTF-8",
    why: "it is sent as it is; pymemcache takes ASCII only",
    clients: CLIENT,
    change: ({ method, args, outcome }) =>
      method === "raw_command" && outcome === "!UnicodeEncodeError"
        ? {
          sent: `${utf8Text(textOf(args[0]))}\r\n`,
          outcome: 'b"END"',
          open: true,
        }
        : undefined,
  },
  {
    name: "a prefix that can be in no key is refused by the constructor",
    why: "no call could succeed",
    clients: CLIENT,
    change: ({ method, outcome }, recorded) =>
      method === "constructor" && outcome === "none" && hasBadPrefix(recorded)
        ? { outcome: ILLEGAL }
        : undefined,
  },
  {
    name: "with allowUnicodeKeys the prefix may be Unicode too",
    why: "it is a part of the key",
    clients: CLIENT,
    change: ({ method, outcome }, recorded) =>
      method === "constructor" && outcome === "!UnicodeEncodeError" &&
        allowsUnicode(recorded)
        ? { outcome: "none" }
        : undefined,
  },
  {
    name: "a string is one key, not a list of keys",
    why: "pymemcache asks for the key a, the key b, the key c",
    clients: CLIENT,
    change: (step) =>
      /_many$/.test(step.method) && step.args[0].t === "str"
        ? refused(step)
        : undefined,
  },
  {
    name: "a pair is a routing key and a key",
    why: "as with pymemcache's HashClient; its Client takes no tuples",
    clients: CLIENT,
    change: ({ method, args }, recorded) => {
      const [key] = args;
      if (recorded.client.startsWith("HashClient")) return;
      if (key?.t !== "tuple" || (method !== "get" && method !== "set")) return;
      const name = `${prefixOf(recorded) ?? ""}${
        textOf((key.v as readonly Tagged[])[1])
      }`;
      return method === "get"
        ? { sent: `get ${name}\r\n`, outcome: "none" }
        : { sent: `set ${name} 0 0 1 noreply\r\nv\r\n`, outcome: "true" };
    },
  },
  {
    name: "no entries are no reason to connect",
    why: "pymemcache's set_many opens a connection all the same",
    clients: CLIENT,
    change: ({ method, sent, connects }) =>
      method === "set_many" && sent === "" && connects === 1
        ? { open: false }
        : undefined,
  },
  {
    name: "an argument of stats may be several words",
    why: 'stats("detail on") is what people write',
    clients: CLIENT,
    change: ({ method, args }) =>
      method === "stats" && args[0]?.t === "str" &&
        /^[!-~]+(?: [!-~]+)+$/.test(textOf(args[0]))
        ? {
          sent: `stats ${textOf(args[0])}\r\n`,
          reply: "END\r\n",
          outcome: "{}",
          open: true,
        }
        : undefined,
  },
  {
    name: "1.0 is 1",
    why: "JavaScript has one type for both",
    clients: CLIENT,
    change: (step, recorded) => {
      const { method, args, outcome } = step;
      const number = args[method === "cas" ? 2 : 1];
      if (number?.t !== "float" || outcome !== ILLEGAL) return;
      return method === "cas"
        ? {
          sent: storeOf(step, recorded, textOf(args[1])),
          outcome: "true",
          open: true,
        }
        : {
          sent: `${method} ${textOf(args[0])} ${Number(number.v)}\r\n`,
          outcome: "5",
          open: true,
        };
    },
  },
  {
    name: "without a serde a value is bytes, text or a number",
    why: "pymemcache stores Python's words: None, True, bytearray(b'…')",
    clients: CLIENT,
    change: (step, recorded) => {
      const value = step.args[1];
      if (!isStore(step) || hasSerde(recorded)) return;
      if (value.t === "none" || value.t === "bool") {
        return { ...refused(step), outcome: "!MemcacheSerdeError" };
      }
      return value.t === "bytearray"
        ? { sent: storeOf(step, recorded, textOf(value)) }
        : undefined;
    },
  },
  {
    name: "keys that are empty or have blanks or controls are refused",
    why: "pymemcache lets pass what is nothing but blanks, and most controls",
    clients: CLIENT,
    change: (step, recorded) => {
      const key = step.sent === "" ? undefined : keyOf(step, recorded);
      return recorded.file === "key_validity" && key !== undefined &&
          isBad(key) && !hasBadPrefix(recorded)
        ? refused(step)
        : undefined;
    },
  },
  {
    name: "bytes as a key are text, ASCII unless allowUnicodeKeys is set",
    why: "keys are strings here; pymemcache sends any bytes",
    clients: CLIENT,
    change: (step, recorded) => {
      const [key] = step.args;
      if (key?.t !== "bytes" || step.sent === "" || isAscii(textOf(key))) {
        return;
      }
      return allowsUnicode(recorded) && typeof toKey(key) === "string"
        ? undefined
        : refused(step);
    },
  },
  {
    name: "controls in a key are refused, also where memcached takes them",
    why: "protocol.txt: a key must not include control characters",
    clients: MEMCACHED,
    change: (step, recorded) =>
      step.sent !== "" && CONTROL.test(keyOf(step, recorded) ?? "")
        ? refused(step)
        : undefined,
  },
  {
    name: "a blank in a key is refused, also where memcached passes over it",
    why: "it is another key, or two, that memcached reads",
    clients: MEMCACHED,
    change: (step, recorded) => {
      const key = keyOf(step, recorded) ?? "";
      return step.sent !== "" && key.includes(" ") && !CONTROL.test(key)
        ? refused(step)
        : undefined;
    },
  },
  {
    name: "keys are text, and go as UTF-8",
    why: "memcached takes any bytes above 0x7f; meta commands will, in base64",
    clients: MEMCACHED,
    change: (step) =>
      step.sent !== "" && typeof toKey(step.args[0]) !== "string"
        ? refused(step)
        : undefined,
  },
];
