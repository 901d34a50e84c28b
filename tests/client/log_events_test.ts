import { assert, assertEquals, assertGreater } from "@std/assert";
import { readEvent, type WatchEvent } from "../../src/client/log_events.ts";
import { test } from "../_runtime.ts";
import { Random } from "../wire/_random.ts";

const HEAD = "ts=1795269604.593614 gid=10 ";
const ENTRY = { server: "s", timestamp: 1795269604593.614, gid: 10 };

/** Lines behind their head, as memcached 1.6.18 wrote them or 1.6.45 does. */
const LINES: ReadonlyArray<
  readonly [line: string, event: Record<string, unknown>]
> = [
  ["type=item_get key=a status=not_found clsid=0 cfd=28 size=0", {
    type: "item_get",
    key: "a",
    status: "not_found",
    slabClass: 0,
    connection: 28,
    size: 0,
  }],
  ["type=item_get key=%FF%FE status=expired clsid=1 cfd=28 size=3", {
    type: "item_get",
    key: Uint8Array.of(255, 254),
    status: "expired",
    slabClass: 1,
    connection: 28,
    size: 3,
  }],
  [
    "type=item_store key=foo%20b status=stored cmd=set ttl=100 clsid=1 cfd=28 size=3",
    {
      type: "item_store",
      key: "foo b",
      status: "stored",
      command: "set",
      ttl: 100,
      slabClass: 1,
      connection: 28,
      size: 3,
    },
  ],
  [
    "type=item_store key=n status=not_stored cmd=add ttl=0 clsid=1 cfd=28 size=1",
    {
      type: "item_store",
      key: "n",
      status: "not_stored",
      command: "add",
      ttl: -1,
      slabClass: 1,
      connection: 28,
      size: 1,
    },
  ],
  [
    "type=item_store key=n status=stored cmd=set ttl=4294967224 clsid=1 cfd=28 size=1",
    {
      type: "item_store",
      key: "n",
      status: "stored",
      command: "set",
      ttl: 0,
      slabClass: 1,
      connection: 28,
      size: 1,
    },
  ],
  // What stands behind the lifetime is arbitrary here.
  [
    "type=item_store key=l status=too_large cmd=set ttl=0 clsid=28 cfd=-1759409504 size=0",
    {
      type: "item_store",
      key: "l",
      status: "too_large",
      command: "set",
      ttl: -1,
    },
  ],
  ["type=eviction key=k fetch=yes ttl=-1 la=12 clsid=4 size=100", {
    type: "eviction",
    key: "k",
    fetched: true,
    ttl: -1,
    lastAccess: 12,
    slabClass: 4,
    size: 100,
  }],
  ["type=eviction key=k fetch=no ttl=-7 la=0 clsid=4 size=100", {
    type: "eviction",
    key: "k",
    fetched: false,
    ttl: 0,
    lastAccess: 0,
    slabClass: 4,
    size: 100,
  }],
  ["type=deleted key=vfoo cmd=md clsid=1 size=4", {
    type: "deleted",
    key: "vfoo",
    command: "md",
    slabClass: 1,
    size: 4,
  }],
  ["type=conn_new rip=127.0.0.1 rport=32800 transport=tcp cfd=28", {
    type: "conn_new",
    address: "127.0.0.1",
    port: 32800,
    transport: "tcp",
    connection: 28,
  }],
  ["type=conn_close rip=unix rport=0 transport=local reason=error cfd=24", {
    type: "conn_close",
    address: "unix",
    port: 0,
    transport: "local",
    reason: "error",
    connection: 24,
  }],
  [
    "type=proxy_req elapsed=120 type=105 code=17 status=0 be=10.0.0.1:11211 detail=slow req=get a=b c",
    {
      type: "proxy_req",
      elapsed: 120,
      kind: 105,
      code: 17,
      status: 0,
      backend: "10.0.0.1:11211",
      detail: "slow",
      request: "get a=b c",
    },
  ],
  ["type=proxy_user msg=a=b  c", {
    type: "other",
    event: "proxy_user",
    fields: { msg: "a=b  c" },
  }],
  ["type=proxy_backend error=read error name=x port=1 depth=0 rbuf=", {
    type: "other",
    event: "proxy_backend",
    fields: { error: "read error", name: "x", port: "1", depth: "0", rbuf: "" },
  }],
  ["type=extwrite key=k fetch=no ttl=1 la=1 clsid=4 bucket=2", {
    type: "other",
    event: "extwrite",
    fields: {
      key: "k",
      fetch: "no",
      ttl: "1",
      la: "1",
      clsid: "4",
      bucket: "2",
    },
  }],
  // A kind that is known, of a form that is not.
  ["type=item_get key=a status=shaken clsid=0 cfd=28 size=0", {
    type: "other",
    event: "item_get",
    fields: { key: "a", status: "shaken", clsid: "0", cfd: "28", size: "0" },
  }],
  ["type=item_get key=%G status=found clsid=0 cfd=28 size=0", {
    type: "other",
    event: "item_get",
    fields: { key: "%G", status: "found", clsid: "0", cfd: "28", size: "0" },
  }],
  ["type=eviction key=k", {
    type: "other",
    event: "eviction",
    fields: { key: "k" },
  }],
  ["<28 get a", {
    type: "other",
    event: "",
    fields: { "<28": "", get: "", a: "" },
  }],
];

test("readEvent() reads the lines of a log", () => {
  for (const [line, event] of LINES) {
    const found = readEvent(HEAD + line, "s");
    const { fields, ...rest } = found as { fields?: object };
    assertEquals(
      fields === undefined ? rest : { ...rest, fields: { ...fields } },
      { ...ENTRY, ...event } as Record<string, unknown>,
      line,
    );
  }
});

test("readEvent() knows that microseconds are not padded", () => {
  const read = (ts: string) =>
    (readEvent(`ts=${ts} gid=1 type=x`, "s") as { timestamp?: number })
      ?.timestamp;
  assertEquals(read("1.0"), 1000);
  assertEquals(read("1.852"), 1000.852);
  assertEquals(read("1.75289"), 1075.289);
  assertEquals(read("1.999999"), 1999.999);
});

test("readEvent() tells how many entries were left out", () => {
  const event: WatchEvent = { type: "skipped", server: "s", count: 17 };
  assertEquals(readEvent("skipped=17", "s"), event);
  assertEquals(readEvent("[skipped: 17]", "s"), event);
});

test("readEvent() takes nothing else for an entry", () => {
  const lines = [
    "",
    "OK",
    "ERROR",
    "ts=1 gid=1 type=x",
    "ts=1.1 type=x",
    "ts=1.1 gid=x type=x",
    "skipped=x",
    "skipped=",
    "skipped=1 2",
    " ts=1.1 gid=1 type=x",
  ];
  for (const line of lines) assertEquals(readEvent(line, "s"), undefined, line);
});

test("readEvent() bears whatever comes", () => {
  const random = new Random(5);
  const kinds = new Set<string>();
  const names = ["__proto__", "constructor", "key", "type", "cfd", "req"];
  let entries = 0;
  for (let round = 0; round < 20_000; round++) {
    let [line] = random.pick(LINES);
    for (let i = random.below(4); i > 0; i--) {
      const at = random.below(line.length + 1);
      const piece = random.pick([
        "",
        " ",
        "=",
        "%",
        `${random.pick(names)}=`,
        String.fromCharCode(random.below(300)),
        "9".repeat(random.below(30)),
      ]);
      line = line.slice(0, at) + piece + line.slice(at + random.below(6));
    }
    const event = readEvent(HEAD + line, "s");
    if (event === undefined) continue;
    entries++;
    kinds.add(event.type);
    if (event.type === "skipped") continue;
    assertEquals(event.gid, 10);
    if (event.type !== "other") {
      for (const [name, value] of Object.entries(event)) {
        if (typeof value !== "number") continue;
        assert(Number.isSafeInteger(value) || name === "timestamp", name);
      }
    } else assertEquals(Object.getPrototypeOf(event.fields), null);
  }
  assertGreater(entries, 15_000);
  assertGreater(kinds.size, 7);
});
