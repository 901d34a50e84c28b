/**
 * What nobody is to see: passwords and private keys, whatever client they are
 * given to, whatever goes wrong, and however it is printed. This file is also
 * the program whose output is read.
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { inspect } from "node:util";
import * as memcache from "@x/memcache";
import { Client, type ClientOptions, MemcacheError } from "@x/memcache";
import { CA, CLIENT_CERT, CLIENT_KEY } from "../_certs.ts";
import { test } from "../_runtime.ts";
import { type Script, withServer } from "../_scripted.ts";
import { assertSecret } from "../_secrets.ts";
import { play, played } from "../connection/_child.ts";

const PASSWORD = "correct-horse:battery";
const auth = { username: "ada", password: PASSWORD };
const KEY = CLIENT_KEY.split("\n")[1];
const SECRETS = ["correct-horse", "battery", encodeURIComponent(PASSWORD), KEY];

/** As much of any client as is needed here. */
interface AnyClient {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown): Promise<unknown>;
  getMany(keys: string[]): Promise<unknown>;
  setMany(entries: Record<string, unknown>): Promise<unknown>;
  close(): Promise<unknown>;
}

type Make = (server: string, options: ClientOptions) => AnyClient;

/** Makes clients of the kinds that do not stand over one server of their own. */
const MAKERS: Readonly<Record<string, Make>> = {
  StrictClient: (server, options) =>
    new memcache.StrictClient(new Client(server, options)),
  RetryingClient: (server, options) =>
    new memcache.RetryingClient(new Client(server, options)),
  FallbackClient: (server, options) =>
    new memcache.FallbackClient([
      new Client(server, options),
      new Client(server, options),
    ]),
  HashClient: (server, options) => new memcache.HashClient([server], options),
};

/** What clients have in common; not to be made directly. */
const BASES: readonly string[] = [
  ...["BaseClient", "ClusterClient", "KeyClient", "ServerClient"],
];

/** Every kind of client that is exported. */
const KINDS: ReadonlyArray<readonly [kind: string, make: Make]> = Object
  .entries<unknown>(memcache)
  .filter(([name, kind]) =>
    name.endsWith("Client") && !BASES.includes(name) &&
    typeof kind === "function"
  )
  .map(([name, kind]) => {
    type Class = new (server: string, options: ClientOptions) => AnyClient;
    const Kind = kind as Class;
    return [
      name,
      MAKERS[name] ?? ((server, options) => new Kind(server, options)),
    ];
  });

/** Ways in which a server of a login may go on. */
const SERVERS: Readonly<Record<string, Script>> = {
  "takes it": (command, peer) =>
    peer.commands.length === 1 ? "STORED\r\n" : peer.reply(command),
  "refuses it": () => "CLIENT_ERROR authentication failure\r\n",
  "repeats it": ({ line, data }) => `${line}\r\n${data}\r\n`,
  "repeats it as an error": ({ data }) => `SERVER_ERROR ${data}\r\n`,
  "takes it, and repeats it": ({ data }, peer) =>
    peer.commands.length === 1 ? "STORED\r\n" : `CLIENT_ERROR ${data}\r\n`,
  "hangs up": (_, peer) => {
    peer.reset();
    return undefined;
  },
  "says nothing": () => undefined,
};

const TLS = { caCerts: [CA], cert: CLIENT_CERT, key: CLIENT_KEY };

/** Ways to give the secrets to a client. */
const GIVEN: ReadonlyArray<
  (address: string) => readonly [server: string, options: ClientOptions]
> = [
  (address) => [address, { auth }],
  (
    address,
  ) => [`memcached://ada:${encodeURIComponent(PASSWORD)}@${address}`, {}],
  (address) => [address, { auth, tls: TLS }],
];

async function use(client: AnyClient): Promise<MemcacheError[]> {
  const ends = await Promise.allSettled([
    client.get("a"),
    client.set("a", "v"),
    client.getMany(["a", "b"]),
    client.setMany({ a: "v" }),
  ]);
  return ends.flatMap((end) => {
    if (end.status === "fulfilled") return [];
    assertInstanceOf(end.reason, MemcacheError);
    // What a StrictClient says of a miss is no failure.
    if (end.reason instanceof memcache.MemcacheMissError) return [];
    return [end.reason];
  });
}

const ROLES = {
  /** Prints everything there is to print. */
  async print(address: string) {
    for (const given of GIVEN) {
      const client = new Client(...given(address));
      console.log(client);
      console.dir(client, { depth: null, showHidden: true });
      for (const error of await use(client)) {
        console.log(error, JSON.stringify(error), String(error));
        console.error(error.stack);
        console.dir(error, { depth: null, showHidden: true });
      }
      console.log(client, JSON.stringify(client), `${client}`);
      console.table([client]);
      await client.close();
      console.log(client);
    }
  },
};

if (!await played(ROLES)) {
  test("every kind of client is asked for its secrets", () => {
    const kinds = KINDS.map(([kind]) => kind);
    for (const kind of ["Client", ...Object.keys(MAKERS)]) {
      assert(kinds.includes(kind), `no ${kind} in ${kinds.join(", ")}`);
    }
  });

  for (const [kind, make] of KINDS) {
    test(
      `${kind} shows no password and no private key, whatever goes wrong`,
      async () => {
        let failed = 0;
        for (const [what, command] of Object.entries(SERVERS)) {
          await withServer({ command }, async ({ address }) => {
            for (const given of GIVEN) {
              const [server, options] = given(address);
              const errors: MemcacheError[] = [];
              const isWell = what === "takes it" && options.tls === undefined;
              const limit = isWell ? 5000 : 100;
              const client = make(server, {
                timeout: limit,
                connectTimeout: limit,
                onError: (error) => void errors.push(error),
                ...options,
              });
              const ends = await use(client);
              assertSecret([client, ...ends, ...errors], SECRETS);
              failed += ends.length;
              if (isWell) {
                assertEquals(ends, [], kind);
              } else assert(ends.length > 0, `${kind}, a server that ${what}`);
              await client.close();
              const [closed] = await use(client);
              assertSecret([client, closed], SECRETS);
            }
          });
        }
        assert(failed > 20, `${failed}`);
      },
      { timeout: 30_000 },
    );
  }

  test("Client prints no password and no private key", async () => {
    for (const what of ["refuses it", "repeats it as an error", "hangs up"]) {
      await withServer({ command: SERVERS[what] }, async ({ address }) => {
        const url = import.meta.url;
        const { output } = await play(url, { role: "print", address });
        assert(output.includes("Memcache"), output);
        for (const secret of SECRETS) {
          assert(!output.includes(secret), `${what}: ${output}`);
        }
      });
    }
  }, { timeout: 60_000 });

  test("an address shows its password only where it is asked for it", () => {
    const url = `memcached://ada:${encodeURIComponent(PASSWORD)}@h:1`;
    const address = memcache.parseServer(url);
    assertEquals(address.name, "h:1");
    assert(address.transport === "tcp");
    assertEquals(address.auth, auth);
    for (const bad of [`${url}/x`, `${url}?x`, url.replace("h:1", "h:x")]) {
      let error: unknown;
      try {
        memcache.parseServer(bad);
      } catch (thrown) {
        error = thrown;
      }
      assertInstanceOf(error, MemcacheError);
      assertSecret([error], SECRETS);
    }
    // The check can fail.
    assert(inspect({ auth }).includes("battery"));
  });
}
