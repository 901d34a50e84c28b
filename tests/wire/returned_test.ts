import { assertEquals } from "@std/assert";
import { Decoder } from "../../src/wire/decoder.ts";
import { HD, INVALID, MORE, VA } from "../../src/wire/reply.ts";
import { readReturned, type Returned } from "../../src/wire/returned.ts";
import { test } from "../_runtime.ts";
import { Random } from "./_random.ts";

/** Reads one reply, and what it returns; `undefined` where it cannot be read. */
function read(reply: string): Returned | undefined {
  const decoder = new Decoder(1 << 20);
  decoder.feed(Uint8Array.from(reply, (unit) => unit.charCodeAt(0)));
  const kind = decoder.next();
  if (kind === INVALID || kind === MORE) return undefined;
  return readReturned(decoder);
}

const NONE = "cannot be";

/** Headers, and what they say. */
const HEADERS: Readonly<Record<string, Returned | typeof NONE>> = {
  "HD": {},
  "HD ": {},
  "HD  O1  c2 ": { opaque: "1", cas: 2n },
  "HD O1 kfoo": { opaque: "1", key: "foo" },
  "HD kZm9v b O1": { key: "Zm9v", isBase64: true, opaque: "1" },
  "HD b kZm9v": { key: "Zm9v", isBase64: true },
  "EN O1 kfoo": { opaque: "1", key: "foo" },
  "HD O": { opaque: "" },
  "HD Oabc!~": { opaque: "abc!~" },
  "HD k\xff\xfe": { key: "\xff\xfe" },
  "HD c18446744073709551615": { cas: 2n ** 64n - 1n },
  "HD c0": { cas: 0n },
  "HD f4294967295 t-1 s0 h0 l0": {
    flags: 4294967295,
    ttl: -1,
    size: 0,
    hitBefore: false,
    lastAccess: 0,
  },
  "HD h1 t4294967235": { hitBefore: true, ttl: 4294967235 },
  "HD W X Z": { won: true, stale: true, alreadyWon: true },
  "HD Z X W": { won: true, stale: true, alreadyWon: true },
  // Of what is not known, and may come with a later version, nothing is said.
  "HD y n7 S5 Ltoken P~ O1": { opaque: "1" },
  // What cannot be.
  "HD c": NONE,
  "HD c-1": NONE,
  "HD c18446744073709551616": NONE,
  "HD c1x": NONE,
  "HD f": NONE,
  "HD f4294967296": NONE,
  "HD f-1": NONE,
  "HD f1.5": NONE,
  "HD h": NONE,
  "HD h2": NONE,
  "HD h01": { hitBefore: true },
  "HD k": NONE,
  "HD b1": NONE,
  "HD l-1": NONE,
  "HD lx": NONE,
  "HD s": NONE,
  "HD s-1": NONE,
  "HD s99999999999999999999": NONE,
  "HD t": NONE,
  "HD t-2": NONE,
  "HD t-": NONE,
  "HD t-11": NONE,
  "HD tx": NONE,
  "HD Wx": NONE,
  "HD X1": NONE,
  "HD Z0": NONE,
};

test("readReturned() reads every flag, in any order", () => {
  for (const [header, wanted] of Object.entries(HEADERS)) {
    const returned = read(`${header}\r\n`);
    assertEquals(returned, wanted === NONE ? undefined : wanted, header);
  }
});

test("readReturned() reads the flags of a value", () => {
  for (const flags of ["", " c5", " kfoo O1 W"]) {
    const decoder = new Decoder(1 << 20);
    const reply = `VA 3 f7${flags}\r\nabc\r\nHD\r\n`;
    decoder.feed(Uint8Array.from(reply, (unit) => unit.charCodeAt(0)));
    assertEquals(decoder.next(), VA);
    const returned = readReturned(decoder);
    assertEquals(returned?.flags, 7);
    assertEquals(returned?.cas, flags === " c5" ? 5n : undefined);
    assertEquals(returned?.won, flags.endsWith("W") ? true : undefined);
    assertEquals(decoder.next(), HD);
    assertEquals(readReturned(decoder), {});
  }
});

test("readReturned() takes whatever bytes there are", () => {
  const random = new Random(81);
  const words = [
    ...["O1", "kfoo", "b", "c5", "f0", "h1", "l3", "s4", "t-1", "t9", "W", "X"],
    ...["Z", "", " ", "\0", "\xff", "-", "cc", "9", "t-", "O".repeat(300)],
  ];
  let fine = 0;
  for (let i = 0; i < 20_000; i++) {
    let line = random.pick(["HD", "EN", "NF", "EX", "NS", "HD ", "MN"]);
    for (let n = random.below(7); n > 0; n--) {
      const word = random.pick(words);
      line += random.oneIn(9) ? word : ` ${word}`;
      if (random.oneIn(20)) line += String.fromCharCode(random.below(256));
    }
    const returned = read(`${line}\r\n`);
    if (returned === undefined) continue;
    fine++;
    const { flags = 0, ttl = -1, size = 0, lastAccess = 0, cas = 0n } =
      returned;
    assertEquals(
      [
        Number.isSafeInteger(ttl) && ttl >= -1,
        Number.isSafeInteger(size) && size >= 0,
        Number.isSafeInteger(lastAccess) && lastAccess >= 0,
        flags >= 0 && flags <= 0xffff_ffff,
        cas >= 0n && cas < 2n ** 64n,
      ],
      [true, true, true, true, true],
      line,
    );
  }
  assertEquals(fine > 5000, true, `${fine} could be read`);
});
