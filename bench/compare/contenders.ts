/**
 * What is compared: our client, as this checkout or another one has it, and the
 * clients from npm, each with its own settings as they come, but for what makes
 * it use one connection.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createRequire } from "node:module";

/** A client under one set of names. */
export interface Contender {
  /** Its name on the command line and in tables. */
  readonly name: string;
  /** Its package's version. */
  readonly version: string;
  /** Whether it can send a store without asking for a reply. */
  readonly silent: boolean;
  /** Reads a text. */
  get(key: string): Promise<string | undefined>;
  /** Stores a text; resolves when it is acknowledged. */
  set(key: string, value: string): Promise<unknown>;
  /** Reads bytes; rejects if the client knows texts only. */
  getBytes(key: string): Promise<Uint8Array | undefined>;
  /** Stores bytes; rejects if the client knows texts only. */
  setBytes(key: string, value: Uint8Array): Promise<unknown>;
  /** Stores one value, without a reply where the client can. */
  store(key: string, value: string): Promise<unknown>;
  /** Reads many values in the best way that the client has. */
  getMany(keys: readonly string[]): Promise<Found>;
  /** Lets go of its connection. */
  close(): Promise<void>;
}

/** What many keys found. */
export interface Found {
  /** The value of a key, `undefined` for a miss. */
  get(key: string): string | undefined;
}

/** The names of the peers from npm. */
export const PEERS: readonly string[] = [
  "memjs",
  "memcached",
  "memcache",
  "memcache-client",
];

/** What is used of a version of ours. */
export interface Ours {
  Client: new (
    server: string,
    options?: { timeout?: number; connectTimeout?: number },
  ) => {
    get<T>(key: string): Promise<T | undefined>;
    getMany(keys: readonly string[]): Promise<Map<string, string>>;
    set(
      key: string,
      value: string | Uint8Array,
      options?: { noreply?: boolean },
    ): Promise<boolean>;
    close(): Promise<void>;
  };
}

/**
 * Opens ours, from its module.
 *
 * @param timeout Milliseconds for a command; as it comes if left out.
 */
export function openOurs(
  name: string,
  { Client }: Ours,
  port: number,
  timeout?: number,
): Contender {
  const client = new Client(`127.0.0.1:${port}`, {
    timeout,
    connectTimeout: timeout,
  });
  const noreply = { noreply: true };
  return {
    name,
    version: "",
    silent: true,
    get: (key) => client.get(key),
    set: (key, value) => client.set(key, value),
    getBytes: (key) => client.get(key),
    setBytes: (key, value) => client.set(key, value),
    store: (key, value) => client.set(key, value, noreply),
    getMany: (keys) => client.getMany(keys),
    close: () => client.close(),
  };
}

type Done<T> = (error: unknown, value: T) => void;

/** Makes a promise of a call with a callback. */
function settle<T>(call: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) => error ? reject(error) : resolve(value));
  });
}

interface Memjs {
  get(key: string): Promise<{ value: Buffer | null }>;
  set(
    key: string,
    value: string | Uint8Array,
    options: object,
  ): Promise<boolean>;
  close(): void;
}

function openMemjs(
  module: { Client: { create(server: string, options: object): Memjs } },
  port: number,
): Omit<Contender, "name" | "version"> {
  const client = module.Client.create(`127.0.0.1:${port}`, {});
  // It answers with bytes: who has stored a text makes one of them.
  const get = (key: string) =>
    client.get(key).then(({ value }) => value?.toString());
  const set = (key: string, value: string) => client.set(key, value, {});
  return {
    get,
    set,
    getBytes: (key) => client.get(key).then(({ value }) => value ?? undefined),
    setBytes: (key, value) => client.set(key, value, {}),
    // It has no command without a reply, and none for many keys.
    silent: false,
    store: set,
    getMany: async (keys) => {
      const values = await Promise.all(keys.map(get));
      return new Map(keys.map((key, i) => [key, values[i]!]));
    },
    close: async () => await client.close(),
  };
}

interface Memcached {
  get<T>(key: string, done: Done<T | undefined>): void;
  set(
    key: string,
    value: string | Uint8Array,
    ttl: number,
    done: Done<boolean>,
  ): void;
  getMulti(
    keys: readonly string[],
    done: Done<Record<string, string>>,
  ): void;
  end(): void;
}

function openMemcached(
  Client: new (server: string, options: object) => Memcached,
  port: number,
): Omit<Contender, "name" | "version"> {
  const client = new Client(`127.0.0.1:${port}`, { poolSize: 1 });
  const set = (key: string, value: string | Uint8Array) =>
    settle<boolean>((done) => client.set(key, value, 0, done));
  return {
    get: (key) => settle<string | undefined>((done) => client.get(key, done)),
    set,
    getBytes: (key) =>
      settle<Uint8Array | undefined>((done) => client.get(key, done)),
    setBytes: (key, value) => set(key, Buffer.from(value)),
    silent: false,
    store: set,
    getMany: async (keys) => {
      const found = await settle<Record<string, string>>((done) =>
        client.getMulti(keys, done)
      );
      return { get: (key) => found[key] };
    },
    close: async () => await client.end(),
  };
}

function textOnly(): Promise<never> {
  return Promise.reject(new Error("it has texts only"));
}

interface Memcache {
  get(key: string): Promise<string | undefined>;
  gets(keys: readonly string[]): Promise<Map<string, string>>;
  set(key: string, value: string): Promise<boolean>;
  disconnect(): Promise<void>;
}

function openMemcache(
  module: { Memcache: new (options: object) => Memcache },
  port: number,
): Omit<Contender, "name" | "version"> {
  const client = new module.Memcache({ nodes: [`127.0.0.1:${port}`] });
  const set = (key: string, value: string) => client.set(key, value);
  return {
    get: (key) => client.get(key),
    set,
    getBytes: textOnly,
    setBytes: textOnly,
    silent: false,
    store: set,
    getMany: (keys) => client.gets(keys),
    close: () => client.disconnect(),
  };
}

interface MemcacheClient {
  get<T>(key: string): Promise<{ value: T } | undefined>;
  get(keys: readonly string[]): Promise<Record<string, { value: string }>>;
  set(
    key: string,
    value: string | Uint8Array,
    options?: object,
  ): Promise<unknown>;
  shutdown(): void;
}

function openMemcacheClient(
  module: { MemcacheClient: new (options: object) => MemcacheClient },
  port: number,
): Omit<Contender, "name" | "version"> {
  const client = new module.MemcacheClient({
    server: { server: `127.0.0.1:${port}`, maxConnections: 1 },
  });
  return {
    get: (key) => client.get<string>(key).then((found) => found?.value),
    set: (key, value) => client.set(key, value, { lifetime: 0 }),
    getBytes: (key) =>
      client.get<Uint8Array>(key).then((found) => found?.value),
    setBytes: (key, value) =>
      client.set(key, Buffer.from(value), { lifetime: 0 }),
    silent: true,
    store: (key, value) =>
      client.set(key, value, { lifetime: 0, noreply: true }),
    getMany: async (keys) => {
      const found = await client.get(keys);
      return { get: (key) => found[key]?.value };
    },
    close: async () => await client.shutdown(),
  };
}

/**
 * Opens a client from npm.
 *
 * @param folder Where the packages are installed.
 */
export function openPeer(
  name: string,
  folder: string,
  port: number,
): Contender {
  const require = createRequire(`${folder}/`);
  const { version } = require(`${folder}/node_modules/${name}/package.json`);
  const module = require(name);
  switch (name) {
    case "memjs":
      return { name, version, ...openMemjs(module, port) };
    case "memcached":
      return { name, version, ...openMemcached(module, port) };
    case "memcache":
      return { name, version, ...openMemcache(module, port) };
    case "memcache-client":
      return { name, version, ...openMemcacheClient(module, port) };
    default:
      throw new Error(`Cannot compare with ${name}: unknown`);
  }
}
