import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { connect } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Dial, ServerAddress } from "../../src/conn/conn.ts";
import { dial, dialNode } from "../../src/conn/dial.ts";
import type { TlsOptions } from "../../src/types.ts";
import {
  CA,
  CLIENT_CERT,
  CLIENT_KEY,
  EXPIRED_CERT,
  EXPIRED_KEY,
  OTHER_CA,
  WRONG_HOST_CERT,
  WRONG_HOST_KEY,
} from "../_certs.ts";
import { runtime, test } from "../_runtime.ts";
import { equal, heldUp, longText } from "./_held.ts";
import {
  closed,
  echo,
  joined,
  open,
  options,
  pattern,
  Probe,
  send,
  serve,
  silent,
  tcp,
} from "./_servers.ts";

const trusted = { caCerts: [CA] };
const encoder = new TextEncoder();

/** Sends a few bytes there and back. */
async function ping(
  dial: Dial,
  address: ServerAddress,
  tls: TlsOptions,
): Promise<void> {
  const { conn, probe } = await open(dial, address, { tls });
  await send(conn, probe, encoder.encode("ping"));
  await probe.until(() => probe.received === 4 || probe.ends.length > 0);
  conn.close();
  assertEquals([probe.text, probe.ends, probe.faults], ["ping", [], []]);
}

const expired = { cert: EXPIRED_CERT, key: EXPIRED_KEY };
const wrongHost = { cert: WRONG_HOST_CERT, key: WRONG_HOST_KEY };

/** Name, what the server has, what the client says. */
const REFUSED: ReadonlyArray<readonly [string, object, TlsOptions]> = [
  ["no authority given", {}, {}],
  ["another authority", {}, { caCerts: [OTHER_CA] }],
  ["an expired certificate", expired, trusted],
  ["a certificate of another host", wrongHost, trusted],
  ["another serverName", {}, { ...trusted, serverName: "example.invalid" }],
  ["another address as serverName", {}, { ...trusted, serverName: "::2" }],
];

function conformance(name: string, dial: Dial): void {
  for (const host of ["localhost", "127.0.0.1", "::1"]) {
    test(`${name}() checks the certificate of ${host}`, async () => {
      const server = await serve(echo, { host, secure: {} });
      await ping(dial, server.address, trusted);
      await ping(dial, server.address, { caCerts: [OTHER_CA, CA] });
      await server.close();
    });
  }

  test(`${name}() reads nothing on while it is paused, over TLS`, async () => {
    await heldUp(dial, await serve(longText, { secure: {} }), { tls: trusted });
  });

  for (const [what, secure, tls] of REFUSED) {
    test(`${name}() refuses ${what}`, async () => {
      const heard: Uint8Array[] = [];
      const server = await serve((socket) => {
        socket.on("data", (bytes) => heard.push(bytes));
      }, { host: "localhost", secure });
      const error = await assertRejects(() =>
        dial(server.address, options({ tls }))
      );
      assert(error instanceof Error);
      await Promise.all(server.sockets.map(closed));
      assertEquals(heard, []);
      await server.close();
    });
  }

  test(`${name}() takes the serverName for the host`, async () => {
    const server = await serve(echo, { secure: wrongHost });
    const serverName = "example.invalid";
    await ping(dial, server.address, { ...trusted, serverName });
    const [socket] = server.sockets as { servername?: unknown }[];
    assertEquals(socket.servername, serverName);
    const address = await serve(echo, { host: "localhost", secure: {} });
    await ping(dial, address.address, { ...trusted, serverName: "127.0.0.1" });
    await server.close();
    await address.close();
  });

  test(`${name}() takes any certificate when told so`, async () => {
    for (const secure of [{}, expired, wrongHost]) {
      const server = await serve(echo, { secure });
      await ping(dial, server.address, { insecureSkipVerify: true });
      await server.close();
    }
  });

  test(`${name}() shows its own certificate`, async () => {
    const secure = { requestCert: true, ca: CA };
    const server = await serve(echo, { secure });
    const own = { ...trusted, cert: CLIENT_CERT, key: CLIENT_KEY };
    await ping(dial, server.address, own);
    assert((server.sockets[0] as TLSSocket).authorized);
    // TLS 1.3 refuses a client after its handshake is done.
    const refused = await open(dial, server.address, { tls: trusted })
      .then(async ({ probe }) => {
        await probe.until(() => probe.ends.length === 1);
        return probe.received;
      }, () => 0);
    assertEquals(refused, 0);
    await server.close();
  });

  test(`${name}() offers protocols by ALPN`, async () => {
    const server = await serve(echo, { secure: { ALPNProtocols: ["b"] } });
    await ping(dial, server.address, { ...trusted, alpnProtocols: ["a", "b"] });
    assertEquals((server.sockets[0] as TLSSocket).alpnProtocol, "b");
    await server.close();
  });

  test(`${name}() rejects when the server does not speak TLS`, async () => {
    const plain = await serve((socket) => {
      socket.once("data", () => socket.end("ERROR\r\n"));
    });
    const rude = await serve((socket) => {
      socket.once("data", () => socket.destroy());
    });
    for (const { address } of [plain, rude]) {
      const error = await assertRejects(() =>
        dial(address, options({ tls: trusted }))
      );
      assert(error instanceof Error);
    }
    await Promise.all([...plain.sockets, ...rude.sockets].map(closed));
    await plain.close();
    await rude.close();
  });

  test(`${name}() lets the signal end a handshake`, async () => {
    const control = new AbortController();
    const reason = new Error("enough");
    const server = await serve((socket) => {
      socket.once("data", () => control.abort(reason));
    });
    const { signal } = control;
    const error = await assertRejects(() =>
      dial(server.address, options({ tls: trusted, signal }))
    );
    assertStrictEquals(error, reason);
    await closed(server.sockets[0]);
    await server.close();
  });

  test(`${name}() refuses TLS to a port where nobody listens`, async () => {
    const server = await serve(silent);
    await server.close();
    const { code } = await assertRejects(() =>
      dial(server.address, options({ tls: trusted }))
    ) as { code?: string };
    assertEquals(code, "ECONNREFUSED");
  });

  test(`${name}() carries 8 MiB both ways over TLS`, async () => {
    const server = await serve(echo, { secure: {} });
    const { conn, probe } = await open(dial, server.address, { tls: trusted });
    const bytes = pattern(8 << 20);
    await send(conn, probe, bytes);
    await probe.until(() => probe.received === bytes.length);
    assert(equal(joined(probe.chunks), bytes));
    const many = bytes.subarray(0, 50_000);
    probe.chunks.length = 0;
    await send(conn, probe, many, 17);
    await probe.until(() => probe.received === bytes.length + many.length);
    assert(equal(joined(probe.chunks), many));
    assertEquals([probe.ends, probe.faults], [[], []]);
    conn.close();
    await server.close();
  });

  test(`${name}() keeps no more than one write over TLS`, async () => {
    const server = await serve(silent, { secure: {} });
    // Deno's TLS servers read on when they are paused: a relay does not.
    const relay = await serve((socket) => {
      const { port } = server.address as { port: number };
      const beyond = connect(port, "127.0.0.1");
      beyond.on("error", () => {});
      socket.pipe(beyond).pipe(socket);
    });
    const { conn, probe } = await open(dial, relay.address, { tls: trusted });
    relay.sockets[0].unpipe().pause();
    const bytes = pattern(32 << 20);
    assertEquals(conn.write(bytes), false);
    const other = await serve(echo);
    const pinger = await open(dial, other.address);
    for (let i = 1; i <= 100; i++) {
      await send(pinger.conn, pinger.probe, encoder.encode("ping"));
      await pinger.probe.until(() => pinger.probe.received === 4 * i);
    }
    pinger.conn.close();
    await other.close();
    assertEquals(probe.drains, 0);
    relay.sockets[0].on("data", () => {});
    relay.sockets[0].resume();
    await probe.until(() => probe.drains === 1);
    assertEquals([probe.ends, probe.faults], [[], []]);
    conn.close();
    await relay.close();
    await server.close();
  });

  test(`${name}() delivers over TLS what came before the start`, async () => {
    const server = await serve((socket) => socket.end("hello"), { secure: {} });
    const conn = await dial(server.address, options({ tls: trusted }));
    conn.ref();
    const turn = await open(dial, server.address, { tls: trusted });
    await turn.probe.until(() => turn.probe.ends.length === 1);
    assertEquals([turn.probe.text, turn.probe.ends], ["hello", [undefined]]);
    const probe = new Probe();
    conn.start(probe);
    await probe.until(() => probe.ends.length === 1);
    assertEquals([probe.text, probe.ends], ["hello", [undefined]]);
    assertEquals([probe.faults, turn.probe.faults], [[], []]);
    await server.close();
  });

  test(`${name}() tells nothing over TLS after close() within data()`, async () => {
    const server = await serve((socket) => socket.end(pattern(1 << 20)), {
      secure: {},
    });
    const { conn, probe } = await open(dial, server.address, { tls: trusted });
    probe.onData = () => conn.close();
    await probe.until(() => probe.chunks.length === 1);
    await closed(await server.accepted());
    assertEquals([probe.chunks.length, probe.ends], [1, []]);
    assertEquals(probe.faults, []);
    await server.close();
  });

  test(`${name}() refuses what is no certificate`, async () => {
    const server = await serve(silent, { secure: {} });
    const nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END-----\n";
    await assertRejects(() =>
      dial(server.address, options({ tls: { caCerts: [nonsense] } }))
    );
    await server.close();
    await assertRejects(() => dial(tcp("no..such", 1), options({ tls: {} })));
  });
}

conformance("dial", dial);
if (runtime !== "node") conformance("dialNode", dialNode);
