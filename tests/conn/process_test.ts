/**
 * What a connection does to the process it is in: this module is also the
 * program that the tests run, with a role in the environment.
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeSync } from "node:fs";
import * as net from "node:net";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { ServerAddress } from "../../src/conn/conn.ts";
import { dial } from "../../src/conn/dial.ts";
import type { TlsOptions } from "../../src/types.ts";
import { CA } from "../_certs.ts";
import { runtime, test } from "../_runtime.ts";
import { echo, open, options, Probe, serve, tcp } from "./_servers.ts";

interface Task {
  role: keyof typeof ROLES;
  address: ServerAddress;
  tls?: TlsOptions;
}

const ROLES = {
  /** Opens a connection and has nothing else to do. */
  async idle({ address, tls }: Task) {
    const conn = await dial(address, options({ tls }));
    conn.start(new Probe());
    console.log("open");
  },
  /** Opens a connection and waits for one message. */
  async busy({ address, tls }: Task) {
    const { conn, probe } = await open(dial, address, { tls });
    conn.write(new TextEncoder().encode("ping"));
    probe.onData = () => {
      console.log(probe.text);
      conn.unref();
    };
  },
  /** Gives up an attempt. */
  async giveUp({ address, tls }: Task) {
    const control = new AbortController();
    setTimeout(() => control.abort("given up"), 50);
    const { signal } = control;
    await dial(address, options({ tls, signal })).catch(console.log);
  },
  /** Gives up an attempt in its handshake, and fails another. */
  async handshake({ address, tls }: Task) {
    const { conn, probe } = await open(dial, address, { tls });
    conn.write(new TextEncoder().encode("ping"));
    await probe.until(() => probe.received === 4);
    conn.close();
    const serverName = "example.invalid";
    await dial(address, options({ tls: { ...tls, serverName } }))
      .catch(() => console.log("refused"));
    const silent = await serve((socket) => socket.unref());
    const control = new AbortController();
    setTimeout(() => control.abort("given up"), 50);
    const { signal } = control;
    await dial(silent.address, options({ tls, signal })).catch(console.log);
    await silent.close();
  },
  /** Listens, and never accepts. */
  async deaf() {
    const server = net.createServer();
    server.listen({ port: 0, host: "127.0.0.1", backlog: 1 });
    await once(server, "listening");
    // Written at once, since nothing happens after the next line.
    writeSync(1, `${(server.address() as net.AddressInfo).port}\n`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30_000);
    process.exit();
  },
};

function run(task: Partial<Task>, flags: readonly string[] = []): ChildProcess {
  const file = fileURLToPath(import.meta.url);
  const how = runtime === "deno"
    ? ["run", "-A", "--no-check", "--quiet", ...flags]
    : [];
  return spawn(process.execPath, [...how, file], {
    env: { ...process.env, CONN_TASK: JSON.stringify(task) },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** Waits for the process to end by itself, and returns what it wrote. */
async function outcome(child: ChildProcess): Promise<string> {
  let output = "";
  child.stdout?.on("data", (bytes) => output += bytes);
  const guard = setTimeout(() => child.kill("SIGKILL"), 8_000);
  const [code, signal] = await once(child, "close");
  clearTimeout(guard);
  assertEquals([code, signal, output], [0, null, output]);
  return output.trim();
}

/** A server to which connects hang: its queue is full. */
async function deafServer() {
  const child = run({ role: "deaf" });
  const [output] = await once(
    child.stdout as NonNullable<unknown> as net.Socket,
    "data",
  );
  const port = Number(output);
  const fill: net.Socket[] = [];
  const stuck = () =>
    new Promise<boolean>((resolve) => {
      const socket = net.connect(port, "127.0.0.1");
      fill.push(socket);
      socket.on("error", () => {});
      // Nothing tells that a connect hangs, but that it takes long.
      const timer = setTimeout(() => resolve(true), 300);
      socket.on("connect", () => {
        clearTimeout(timer);
        resolve(false);
      });
    });
  while (!await stuck());
  return {
    address: tcp("127.0.0.1", port),
    async close() {
      const end = once(child, "close");
      child.kill("SIGKILL");
      await end;
      for (const socket of fill) socket.destroy();
    },
  };
}

function register(): void {
  const tlsToo = [["TCP", undefined, undefined], [
    "TLS",
    { caCerts: [CA] },
    {},
  ]] as const;
  for (const [what, tls, secure] of tlsToo) {
    test(`dial() over ${what} lets a process end that has nothing to do`, async () => {
      const server = await serve(() => {}, { secure });
      const { address } = server;
      assertEquals(await outcome(run({ role: "idle", address, tls })), "open");
      assertEquals(server.sockets.length, 1);
      await server.close();
    });

    test(`dial() over ${what} keeps a process with a command in flight`, async () => {
      const server = await serve((socket) => {
        // Long enough for a process to end that does not wait.
        socket.on("data", () => setTimeout(() => socket.write("pong"), 300));
      }, { secure });
      const { address } = server;
      assertEquals(await outcome(run({ role: "busy", address, tls })), "pong");
      await server.close();
    });
  }

  test(
    "dial() gives up a connect that hangs, and lets the process end",
    async () => {
      const { address, close } = await deafServer();
      const control = new AbortController();
      const reason = new Error("enough");
      const attempt = dial(address, options({ signal: control.signal })).then(
        () => "connected",
        (error) => error,
      );
      const turn = new Promise((resolve) => setTimeout(resolve, 50, "pending"));
      assertEquals(await Promise.race([attempt, turn]), "pending");
      control.abort(reason);
      assertStrictEquals(await attempt, reason);
      const from = performance.now();
      const child = run({ role: "giveUp", address });
      assertEquals(await outcome(child), "given up");
      const took = performance.now() - from;
      assert(took < 5_000, `${took} ms`);
      await close();
    },
    { timeout: 20_000 },
  );

  if (runtime !== "deno") return;
  test("dialDeno() does TLS with the system's authorities", async () => {
    const server = await serve(echo, { host: "localhost", secure: {} });
    const { address } = server;
    const ca = fileURLToPath(new URL("../certs/ca.pem", import.meta.url));
    for (const tls of [{}, { serverName: "localhost" }]) {
      const flags = ["--cert", ca];
      const child = run({ role: "handshake", address, tls }, flags);
      assertEquals(await outcome(child), "refused\ngiven up");
      assertEquals(
        await outcome(run({ role: "busy", address, tls }, flags)),
        "ping",
      );
      assertEquals(
        await outcome(run({ role: "idle", address, tls }, flags)),
        "open",
      );
    }
    await server.close();
  });
}

const task = process.env.CONN_TASK;
if (task === undefined) register();
else {
  const parsed = JSON.parse(task) as Task;
  await ROLES[parsed.role](parsed);
}
