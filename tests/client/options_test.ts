import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  Client,
  type ClientOptions,
  type Dial,
  type DialOptions,
  MemcacheConnectionError,
  MemcacheError,
  MemcacheIllegalInputError,
  parseServer,
  type ServerAddress,
  type ServerSpec,
} from "@x/memcache";
import { inspect } from "node:util";
import { CA, CLIENT_CERT, CLIENT_KEY } from "../_certs.ts";
import { test } from "../_runtime.ts";

const NUMBERS: readonly unknown[] = [
  ...[-1, NaN, Infinity, -Infinity, "5", "", null, 5n, {}, [], true],
];
const BOOLEANS: readonly unknown[] = ["yes", "", 0, 1, null, {}, []];
const FUNCTIONS: readonly unknown[] = [null, "f", 5, {}, [], true];

/** What each option refuses, besides what its type rules out. */
const REFUSED: Record<string, readonly unknown[]> = {
  connectTimeout: [...NUMBERS, 2 ** 31],
  timeout: [...NUMBERS, 2 ** 31],
  maxPending: [...NUMBERS, 0, 0.5, 2 ** 53],
  maxValueSize: [...NUMBERS, 0, 0.5, 2 ** 53],
  noDelay: BOOLEANS,
  allowUnicodeKeys: BOOLEANS,
  defaultNoreply: BOOLEANS,
  errorsAsMisses: BOOLEANS,
  keyEncoder: FUNCTIONS,
  dial: FUNCTIONS,
  onError: FUNCTIONS,
  protocol: ["", "binary", "AUTO", 5, true, {}],
  keepAlive: [
    ...[null, 5, "on"],
    ...NUMBERS.map((idle) => ({ idle })),
    ...[0, 0.5, 32_768].map((interval) => ({ interval })),
    ...["3", -1].map((count) => ({ count })),
  ],
  keyPrefix: [
    ...[5, null, {}, ["p"], "a b", "p\r\n", "p\0", "\t", "é", "p".repeat(251)],
  ],
};

/** The same for options whose messages do not begin with their names. */
const REFUSED_OTHERWISE: ReadonlyArray<readonly [unknown, string]> = [
  [{ serde: {} }, "Cannot use serde: "],
  [{ serde: "json" }, "Cannot use serde: "],
  [{ serde: { serialize: () => {} } }, "Cannot use serde: "],
  [{ serde: { serialize: 1, deserialize: 2 } }, "Cannot use serde: "],
  [{ tls: "yes" }, "Cannot use TLS options: "],
  [{ tls: 1 }, "Cannot use TLS options: "],
  [{ tls: { caCerts: CA } }, "Cannot use TLS options: caCerts "],
  [{ tls: { caCerts: ["ca.pem"] } }, "Cannot use TLS options: caCerts "],
  [{ tls: { cert: CLIENT_CERT } }, "Cannot use TLS options: key "],
  [{ tls: { key: CLIENT_KEY } }, "Cannot use TLS options: cert "],
  [{ tls: { serverName: 5 } }, "Cannot use TLS options: serverName "],
  [{ tls: { alpnProtocols: "h2" } }, "Cannot use TLS options: alpnProtocols "],
  [
    { tls: { insecureSkipVerify: "no" } },
    "Cannot use TLS options: insecureSkipVerify ",
  ],
];

/** Every option at its limits. */
const ACCEPTED: readonly ClientOptions[] = [
  {},
  { connectTimeout: 0, timeout: 0, maxPending: 1, maxValueSize: 1 },
  { connectTimeout: 2 ** 31 - 1, timeout: 2 ** 31 - 1 },
  { timeout: 0.5, maxPending: 2 ** 53 - 1, maxValueSize: 2 ** 53 - 1 },
  { noDelay: false, keepAlive: true, allowUnicodeKeys: true },
  { keepAlive: {} },
  { keepAlive: { idle: 1, interval: 32_767, count: 1 } },
  { keyPrefix: "" },
  { keyPrefix: "p".repeat(250) },
  { keyPrefix: "é:", allowUnicodeKeys: true },
  { protocol: "auto" },
  { protocol: "classic" },
  { protocol: "meta" },
  { tls: false },
  { tls: {} },
  { auth: { username: "a", password: "" } },
  { auth: { username: "a", password: "b c:d" } },
  { defaultNoreply: true, errorsAsMisses: true, onError: () => {} },
  { serde: undefined, dial: undefined, tls: undefined, auth: undefined },
];

function refusal(make: () => unknown, about: string): string {
  const error = assertThrows(make, MemcacheIllegalInputError, "", about);
  assertEquals([error.code, error.sent], ["ERR_ILLEGAL_INPUT", false], about);
  assert(!error.message.endsWith("."), error.message);
  return error.message;
}

test("Client() refuses options that cannot be used", () => {
  for (const [name, values] of Object.entries(REFUSED)) {
    for (const value of values) {
      const about = `${name}: ${inspect(value)}`;
      const message = refusal(() => new Client("a", { [name]: value }), about);
      assert(
        message.startsWith(`Cannot use option ${name}`),
        `${about}: ${message}`,
      );
    }
  }
  for (const [options, start] of REFUSED_OTHERWISE) {
    const about = inspect(options);
    const message = refusal(
      () => new Client("a", options as ClientOptions),
      about,
    );
    assert(message.startsWith(start), `${about}: ${message}`);
  }
  for (const options of [null, "options", 5]) {
    refusal(() => new Client("a", options as ClientOptions), String(options));
  }
});

const MESSAGES: ReadonlyArray<readonly [unknown, string]> = [
  [
    { timeout: -1 },
    "Cannot use option timeout: -1, must be a number from 0 to 2147483647",
  ],
  [
    { maxPending: 0 },
    "Cannot use option maxPending: 0, must be a number from 1 to 9007199254740991",
  ],
  [
    { noDelay: "yes" },
    'Cannot use option noDelay: "yes", must be true or false',
  ],
  [
    { protocol: "binary" },
    'Cannot use option protocol: "binary", must be "auto", "classic" or "meta"',
  ],
  [
    { keyPrefix: "p".repeat(251) },
    "Cannot use option keyPrefix: 251 bytes, at most 250 are allowed",
  ],
  [{ dial: {} }, "Cannot use option dial: an object, must be a function"],
];

test("Client() says what an option is and what it must be", () => {
  for (const [options, message] of MESSAGES) {
    assertEquals(
      refusal(() => new Client("a", options as ClientOptions), message),
      message,
    );
  }
});

test("Client() accepts every option at its limits", async () => {
  for (const options of ACCEPTED) {
    await new Client("localhost", options).close();
  }
});

test("Client() refuses a server that cannot be used", () => {
  const specs: unknown[] = [
    "",
    "a:0",
    "a:65536",
    "a b",
    "http://a",
    5,
    null,
    {},
  ];
  for (const spec of specs) {
    const about = inspect(spec);
    const message = refusal(() => new Client(spec as ServerSpec), about);
    assert(message.startsWith("Cannot use server address"), message);
  }
  const message = refusal(
    () => new Client("/run/m.sock", { tls: true }),
    "TLS over a unix socket",
  );
  assert(message.includes("unix domain socket"), message);
});

/** Makes a client whose connections fail, and gives what they were asked. */
async function dialed(
  server: ServerSpec | undefined,
  options: ClientOptions = {},
): Promise<[ServerAddress, DialOptions, MemcacheError]> {
  const asked: Array<[ServerAddress, DialOptions]> = [];
  const dial: Dial = (address, options) => {
    asked.push([address, options]);
    return Promise.reject(new Error("no way"));
  };
  const client = server === undefined
    ? new Client(undefined, { ...options, dial })
    : new Client(server, { ...options, dial });
  assertEquals(asked.length, 0);
  const error = await client.get("key").catch((error) => error);
  await client.close();
  assert(error instanceof MemcacheConnectionError);
  assertEquals(asked.length, 1);
  const [[address, dialOptions]] = asked;
  return [address, dialOptions, error];
}

test("Client() connects to localhost:11211 unless told otherwise", async () => {
  const [address, options, error] = await dialed(undefined);
  assertEquals(address, parseServer("localhost:11211"));
  assertEquals(error.server, "localhost:11211");
  const { signal, ...rest } = options;
  assertEquals(rest, { noDelay: true, keepAlive: false });
  assert(signal instanceof AbortSignal);
});

test("Client() hands address and options to its transport", async () => {
  const tls = { caCerts: [CA], serverName: "name", alpnProtocols: ["a"] };
  const keepAlive = { idle: 5, count: 3 };
  const [address, options] = await dialed(["::1", 5], {
    noDelay: false,
    keepAlive,
    tls,
  });
  assertEquals(address, parseServer("[::1]:5"));
  assertEquals([options.noDelay, options.keepAlive], [false, keepAlive]);
  assertEquals(options.tls, tls);
  const [unix] = await dialed("unix:/run/m.sock");
  assertEquals(unix, parseServer({ path: "/run/m.sock" }));
});

const TLS = { serverName: "client" };
const OWN_TLS = { serverName: "server" };

/** A server's own word on TLS, the client's option, and what comes of them. */
const TLS_CASES: ReadonlyArray<
  readonly [ServerSpec, ClientOptions["tls"], unknown]
> = [
  ["a", undefined, undefined],
  ["a", false, undefined],
  ["a", true, {}],
  ["a", TLS, TLS],
  ["memcacheds://a", undefined, {}],
  ["memcacheds://a", true, {}],
  ["memcacheds://a", TLS, TLS],
  ["memcacheds://a", false, {}],
  ["memcached://a", TLS, TLS],
  [{ host: "a", tls: true }, false, {}],
  [{ host: "a", tls: true }, TLS, TLS],
  [{ host: "a", tls: false }, true, undefined],
  [{ host: "a", tls: false }, TLS, undefined],
  [{ host: "a", tls: OWN_TLS }, undefined, OWN_TLS],
  [{ host: "a", tls: OWN_TLS }, TLS, OWN_TLS],
  [{ host: "a", tls: OWN_TLS }, false, OWN_TLS],
];

test("Client() uses TLS as the server's own address says, else as the option does", async () => {
  for (const [server, tls, expected] of TLS_CASES) {
    const [, options] = await dialed(
      server,
      tls === undefined ? {} : { tls },
    );
    assertEquals(options.tls, expected, inspect([server, tls]));
  }
});

test("Client() reads its options once", async () => {
  const tls = { caCerts: [CA], serverName: "before" };
  const keepAlive = { idle: 5 };
  const asked: DialOptions[] = [];
  const options: ClientOptions = {
    tls,
    keepAlive,
    dial: (_, options) => {
      asked.push(options);
      return Promise.reject(new Error("no way"));
    },
  };
  const client = new Client("a", options);
  options.dial = () => Promise.reject(new Error("another"));
  options.timeout = -1;
  tls.caCerts.length = 0;
  tls.serverName = "after";
  keepAlive.idle = 6;
  const error = await client.get("key").catch((error) => error);
  await client.close();
  assert(error instanceof MemcacheConnectionError);
  assert(error.message.includes("no way"), error.message);
  assertEquals(asked[0].tls, { caCerts: [CA], serverName: "before" });
  assertEquals(asked[0].keepAlive, { idle: 5 });
});

const PASSWORD = "hunter2";
const AUTHS: readonly unknown[] = [
  PASSWORD,
  {},
  { username: "ada" },
  { password: PASSWORD },
  { username: "", password: PASSWORD },
  { username: "a b", password: PASSWORD },
  { username: "ada", password: `${PASSWORD}\r\nflush_all` },
  { username: "ada", password: `${PASSWORD}\0` },
  { username: "ada", password: 5 },
  { username: PASSWORD.repeat(1000), password: PASSWORD.repeat(2000) },
];

/** Everything that may be printed of a value. */
function printed(value: unknown): string {
  const texts = [inspect(value, { depth: 10, showHidden: true })];
  texts.push(String(value), JSON.stringify(value) ?? "");
  if (value instanceof Error) texts.push(value.stack ?? "", value.message);
  if ("Deno" in globalThis) texts.push(Deno.inspect(value, { depth: 10 }));
  return texts.join("\n");
}

test("Client() shows no password, whatever is wrong", async () => {
  for (const auth of AUTHS) {
    const options = { auth } as ClientOptions;
    const error = assertThrows(
      () => new Client("a", options),
      MemcacheIllegalInputError,
      "Cannot use option auth: ",
    );
    assert(!printed(error).includes(PASSWORD), error.message);
  }
  for (const rest of ["a:b", "a/path", "[", "a:99999", "a b", "?a"]) {
    const error = assertThrows(
      () => new Client(`memcached://ada:${PASSWORD}@${rest}`),
      MemcacheIllegalInputError,
    );
    assert(!printed(error).includes(PASSWORD), error.message);
  }
  const auth = { username: "ada", password: PASSWORD };
  const clients: Array<[ServerSpec, ClientOptions]> = [
    ["a", { auth }],
    [`memcached://ada:${PASSWORD}@a`, {}],
  ];
  for (const [server, options] of clients) {
    const dial: Dial = () => Promise.reject(new Error("no way"));
    const client = new Client(server, { ...options, dial });
    assert(!printed(client).includes(PASSWORD));
    const error = await client.get("key").catch((error) => error);
    assert(error instanceof MemcacheError);
    assert(!printed(error).includes(PASSWORD), printed(error));
    await client.close();
  }
});

test("Client() opens nothing", async () => {
  let dialed = 0;
  const dial: Dial = () => {
    dialed++;
    return Promise.reject(new Error("no way"));
  };
  const clients = Array.from({ length: 20 }, () => new Client("a", { dial }));
  await new Promise((resolve) => setTimeout(resolve, 5));
  for (const client of clients) await client.close();
  assertEquals(dialed, 0);
});
