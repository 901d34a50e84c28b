import { assert, assertEquals, assertLess } from "@std/assert";
import { once } from "node:events";
import * as net from "node:net";
import { test } from "../_runtime.ts";
import { Proxy } from "./_proxy.ts";

/** One end of a connection through a proxy. */
class End {
  text = "";
  ended = false;
  closed = false;
  error: unknown = undefined;
  readonly socket: net.Socket;

  /** Whether the other side has ended it, in whatever way. */
  get over(): boolean {
    return this.ended || this.closed;
  }

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => this.text += text);
    socket.on("end", () => this.ended = true);
    socket.on("error", (error) => this.error = error);
    socket.on("close", () => this.closed = true);
  }
}

/** Waits until something is so. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Runs `fn` with a connection through a proxy. */
async function through(
  fn: (proxy: Proxy, client: End, server: End) => Promise<void>,
): Promise<void> {
  const accepted: End[] = [];
  const listener = net.createServer({ allowHalfOpen: true }, (socket) => {
    accepted.push(new End(socket));
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  // A server that listens on TCP has an address of this kind.
  const { port } = listener.address() as net.AddressInfo;
  const proxy = await Proxy.start(port);
  const socket = net.connect({
    port: Number(proxy.address.split(":")[1]),
    host: "127.0.0.1",
    allowHalfOpen: true,
  });
  const client = new End(socket);
  await until(() => accepted.length > 0);
  client.socket.write("ping");
  await until(() => accepted[0].text === "ping");
  accepted[0].socket.write("pong");
  await until(() => client.text === "pong");
  await fn(proxy, client, accepted[0]);
  client.socket.destroy();
  accepted[0].socket.destroy();
  await proxy.close();
  const gone = once(listener, "close");
  listener.close();
  await gone;
}

test("Proxy passes everything on, ends included", async () => {
  await through(async (proxy, client, server) => {
    client.socket.end("x".repeat(200_000));
    await until(() => server.ended);
    assertEquals(server.text.length, 200_004);
    server.socket.end("bye");
    await until(() => client.ended);
    assertEquals(client.text, "pongbye");
    await until(() => proxy.pipes.length === 0);
  });
});

for (const way of ["toServer", "toClient"] as const) {
  test(`Proxy cuts ${way} after the byte that it is told`, async () => {
    await through(async (proxy, client, server) => {
      const [from, to] = way === "toServer"
        ? [client, server]
        : [server, client];
      const before = to.text;
      proxy.pipes[0].cut(way, 5);
      from.socket.write("abc");
      await until(() => to.text === `${before}abc`);
      from.socket.write("defg");
      await until(() => client.over && server.over);
      assertEquals(to.text, `${before}abcde`);
    });
  });
}

test("Proxy resets both sides", async () => {
  await through(async (proxy, client, server) => {
    proxy.pipes[0].reset();
    await until(() => client.over && server.over);
    assert(client.error !== undefined, "It was no reset");
    assertEquals(proxy.pipes.length, 0);
  });
});

test("Proxy ends one side only", async () => {
  await through(async (proxy, client, server) => {
    proxy.pipes[0].halfClose("toClient");
    await until(() => client.ended);
    assertEquals(server.ended, false);
    client.socket.write("still");
    await until(() => server.text === "pingstill");
  });
});

test("Proxy holds what comes, and passes it on in order", async () => {
  await through(async (proxy, client, server) => {
    proxy.hold();
    client.socket.write("a");
    await new Promise((resolve) => setTimeout(resolve, 30));
    client.socket.write("b");
    await new Promise((resolve) => setTimeout(resolve, 30));
    assertEquals(server.text, "ping");
    proxy.release();
    client.socket.write("c");
    await until(() => server.text === "pingabc");
  });
});

test("Proxy delays what comes", async () => {
  await through(async (proxy, client, server) => {
    proxy.delay = 60;
    const start = performance.now();
    client.socket.write("late");
    await until(() => server.text === "pinglate");
    assertLess(58, performance.now() - start);
  });
});

test("Proxy refuses connections, and takes them again at the same port", async () => {
  await through(async (proxy, client, server) => {
    const { address } = proxy;
    await proxy.refuse();
    await until(() => client.over && server.over);
    const port = Number(address.split(":")[1]);
    const refused = net.connect(port, "127.0.0.1");
    const [error] = await once(refused, "error");
    assertEquals(error.code, "ECONNREFUSED");
    await proxy.listen();
    assertEquals(proxy.address, address);
    const again = net.connect(port, "127.0.0.1");
    await once(again, "connect");
    again.destroy();
    await until(() => proxy.connections === 2);
  });
});
