/**
 * Keeps what the command line shows as text under docs/screens/: drives the
 * program in a pseudo-terminal, against embedded servers, and
 * for evictions by slab class real ones. `deno task screens`.
 *
 * @module
 */
import { Client, HashClient } from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { type Memcached, startMemcached } from "../tests/_memcached.ts";
import { Pty } from "../tests/cli/_pty.ts";

const FOLDER = new URL("../docs/screens/", import.meta.url);

async function keep(name: string, screen: string): Promise<void> {
  await Deno.writeTextFile(new URL(`${name}.txt`, FOLDER), `${screen}\n`);
  console.log(`${screen}\n\n== docs/screens/${name}.txt\n`);
}

/** The prompt: values, help, a restart. */
async function prompt(): Promise<void> {
  const server = await MemcachedServer.start({ port: 11411 });
  const state = await Deno.makeTempDir();
  const pty = new Pty(["-s", server.address], { XDG_STATE_HOME: state });
  try {
    await pty.shows(/>$/);
    await pty.enter('set greeting "hello world" --ttl 15m');
    await pty.enter("get greeting");
    await pty.enter("incr visits --initial 1");
    pty.type("set page\r");
    await pty.shows("ends it");
    pty.type("<h1>Title</h1>\r");
    await pty.shows(/Title.*\n\.\.\.$/);
    pty.type("<p>Text</p>\r");
    await pty.shows(/Text.*\n\.\.\.$/);
    await pty.enter(".");
    await pty.enter("item page");
    await pty.enter("help touch");
    server.advance(600);
    await server.restart();
    await pty.enter("get greeting");
    await keep("prompt", pty.screen);
    pty.type("exit\r");
    await pty.ended();
  } finally {
    await pty.kill();
    await server.close();
    await Deno.remove(state, { recursive: true });
  }
}

/** A load that comes and goes, on servers that are too small for it. */
async function load(client: HashClient, signal: AbortSignal): Promise<void> {
  const begun = performance.now();
  for (let i = 0; !signal.aborted; i++) {
    const wave = 1 + Math.sin((performance.now() - begun) / 1500);
    const entries: [string, string][] = [];
    for (let j = 0; j < 10 + 40 * wave; j++) {
      const key = Math.floor(Math.random() * 20_000);
      entries.push([`page:${key}`, "x".repeat(100 + key % 7 * 300)]);
    }
    await client.setMany(entries);
    await client.getMany(
      Array.from(
        { length: Math.ceil(300 * wave) },
        () => `page:${Math.floor(Math.random() * 12_000)}`,
      ),
    );
    await client.incr("visits", 1, { initial: 1 });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The live view. */
async function top(): Promise<void> {
  const servers: Memcached[] = [];
  for (let i = 0; i < 2; i++) {
    servers.push(await startMemcached({ args: ["-m", "4", "-t", "1"] }));
  }
  const addresses = servers.map(({ server }) => server);
  const client = new HashClient(addresses);
  const stop = new AbortController();
  const busy = load(client, stop.signal);
  const args = addresses.flatMap((address) => ["-s", address]);
  const pty = new Pty([...args, "top", "--interval", "0.25"]);
  try {
    await pty.shows(/^commands\/s +\S+ +[▁▂▃▄▅▆▇█]{50}/m);
    await keep("top", pty.screen);
    pty.type("q");
    await pty.ended();
  } finally {
    await pty.kill();
    stop.abort();
    await busy.catch(() => {});
    await client.close();
    for (const server of servers) await server.kill();
  }
}

/** The bar of a dump, in the middle and at its end. */
async function dump(): Promise<void> {
  const server = await MemcachedServer.start({ port: 11411 });
  const client = new Client(server.address);
  const folder = await Deno.makeTempDir();
  for (let i = 0; i < 40; i++) {
    await client.setMany(
      Array.from(
        { length: 1000 },
        (_, j) => [`session:${i * 1000 + j}`, "x".repeat(200)],
      ),
    );
  }
  const file = `${folder}/items.dump`;
  const pty = new Pty(["-s", server.address, "dump", file]);
  try {
    await pty.shows(/[4-7]\d% \|/);
    const middle = pty.screen;
    await pty.ended();
    await keep("dump", `${middle}\n…\n${pty.screen}`.replaceAll(folder, "."));
  } finally {
    await pty.kill();
    await client.close();
    await server.close();
    await Deno.remove(folder, { recursive: true });
  }
}

await prompt();
await top();
await dump();
Deno.exit(0);
