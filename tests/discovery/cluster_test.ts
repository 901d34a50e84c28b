/**
 * A cluster that follows a discovery, from one end to the other.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  DnsDiscovery,
  ElastiCacheDiscovery,
  HashClient,
  MemcacheConnectionError,
  type MemcacheError,
  MemcacheUnexpectedCloseError,
  type ServerSpec,
} from "@x/memcache";
import { type ClusterMember, MemcachedServer } from "@x/memcache/testing";
import { CA, SERVER_CERT, SERVER_KEY } from "../_certs.ts";
import { test } from "../_runtime.ts";
import { rejects } from "../conformance/stage.ts";

const KEYS = Array.from({ length: 60 }, (_, i) => `key${i}`);

function member({ port }: MemcachedServer): ClusterMember {
  return { host: "127.0.0.1", port };
}

/** What each server has of the keys. */
async function places(client: HashClient): Promise<Map<string, number>> {
  const items = await client.stats();
  return new Map(
    [...items].map(([server, stats]) => [server, Number(stats.curr_items)]),
  );
}

test("HashClient follows a cluster as its servers come and go", async () => {
  const servers = await Promise.all(
    [1, 2, 3].map(() => MemcachedServer.start()),
  );
  const endpoint = await MemcachedServer.start({
    cluster: servers.slice(0, 2).map(member),
  });
  const errors: MemcacheError[] = [];
  const discovery = new ElastiCacheDiscovery(endpoint.address, {
    interval: 2,
    onError: (error) => void errors.push(error),
  });
  const client = new HashClient(discovery, { timeout: 4000 });
  /** Waits until so many servers are known; each request may bring the news. */
  const known = async (count: number): Promise<void> => {
    while (client.servers.length !== count) {
      await endpoint.nextRequest("config");
    }
  };
  try {
    // The first command waits for the first list.
    await client.setMany(KEYS.map((key) => [key, key]));
    assertEquals(client.servers.length, 2);
    const two = await places(client);
    assertEquals([...two.values()].reduce((a, b) => a + b), KEYS.length);
    assert([...two.values()].every((count) => count > 10), `${[...two]}`);

    // One more: about a third of the keys move to it, the others stay.
    endpoint.cluster = servers.map(member);
    await known(3);
    const kept = await client.getMany(KEYS);
    assert(kept.size > 20 && kept.size < 60, `${kept.size} of 60`);
    for (const [key, value] of kept) assertEquals(value, key);
    await client.setMany(KEYS.map((key) => [key, key]));

    // One less: its keys are lost, and no others.
    endpoint.cluster = servers.slice(1).map(member);
    await known(2);
    const gone = `127.0.0.1:${servers[0].port}`;
    assert(client.servers.every(({ server }) => server !== gone));
    const left = await client.getMany(KEYS);
    assert(left.size > 20 && left.size < 60, `${left.size} of 60`);
    await servers[0].close();

    // Without the endpoint all goes on as it was.
    await endpoint.close();
    assertEquals(await client.getMany(KEYS), left);
  } finally {
    await client.close();
    await endpoint.close();
    for (const server of servers) await server.close();
  }
  // A look-up may have been under way when the endpoint closed.
  for (const error of errors) {
    const isGone = error instanceof MemcacheConnectionError ||
      error instanceof MemcacheUnexpectedCloseError;
    assert(isGone, `${error}`);
  }
});

test("HashClient checks certificates for the name that was looked up", async () => {
  const server = await MemcachedServer.start({
    tls: { cert: SERVER_CERT, key: SERVER_KEY },
  });
  const { port } = server;
  const tls = { caCerts: [CA] };
  const at = (host: string): HashClient => {
    const spec: ServerSpec = { host, port, tls };
    const lookup = () => Promise.resolve(["127.0.0.1"]);
    return new HashClient(new DnsDiscovery(spec, { lookup }));
  };
  const right = at("localhost");
  const wrong = at("elsewhere.example");
  try {
    assertEquals(await right.set("key", "value"), true);
    assertEquals(right.servers.map(({ server }) => server), [
      `127.0.0.1:${port}`,
    ]);
    await rejects(() => wrong.get("key"), MemcacheConnectionError);
  } finally {
    await right.close();
    await wrong.close();
    await server.close();
  }
});
