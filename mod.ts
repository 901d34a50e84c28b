/**
 * The memcached client for Deno, Bun and Node.
 *
 * Importing this module opens no socket, starts no timer and touches no global.
 *
 * @example
 * ```ts
 * import { Client } from "@x/memcache";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * const server = await MemcachedServer.start();
 * const client = new Client(server.address);
 * await client.set("user:1", { name: "Ada" }, { ttl: 60 });
 * console.log(await client.get("user:1")); // { name: "Ada" }
 * await client.close();
 * await server.close();
 * ```
 *
 * @module
 */

// Clients and their commands.
export { Client } from "./src/client/client.ts";
export {
  PooledClient,
  type PooledClientOptions,
} from "./src/client/pooled_client.ts";
export { Pool, type PoolCounters } from "./src/pool/pool.ts";
export { ServerClient } from "./src/client/server_client.ts";
export { ClientAround } from "./src/around.ts";
export { BaseClient } from "./src/client/base_client.ts";
export { KeyClient } from "./src/client/key_client.ts";
export type { ClientOptions } from "./src/client/options.ts";
export type {
  CountOptions,
  GetOptions,
  HelperCommands,
  InvalidateOptions,
  KeyCommands,
  KeyEntry,
  KeysOptions,
  ListingCommands,
  Namespace,
  NoreplyOptions,
  StoreOptions,
  UpdateOptions,
  Updater,
  Versioned,
} from "./src/client/commands.ts";
export type { CacheCommands } from "./src/cache/commands.ts";
export type { GetOrSetOptions, LoadContext } from "./src/cache/options.ts";
export type {
  FlushOptions,
  RawOptions,
  ServerCommands,
  ShutdownOptions,
} from "./src/client/server_commands.ts";
export type {
  CrawlerStart,
  CrawlResult,
  LruTuning,
  ReassignResult,
  TuningCommands,
} from "./src/client/tuning_commands.ts";
export type { Feed } from "./src/client/feed.ts";
export type {
  ConnCloseEvent,
  ConnNewEvent,
  DeletedEvent,
  EvictionEvent,
  ItemGetEvent,
  ItemStoreEvent,
  LogEntry,
  OtherEvent,
  ProxyRequestEvent,
  SkippedEvent,
  WatchEvent,
  WatchOptions,
  WatchTopic,
} from "./src/client/log_events.ts";
export type {
  MetaArithmeticOptions,
  MetaArithmeticResult,
  MetaCommands,
  MetaDebugResult,
  MetaDeleteOptions,
  MetaDeleteResult,
  MetaGetEntry,
  MetaGetOptions,
  MetaGetResult,
  MetaKey,
  MetaOptions,
  MetaResult,
  MetaSetMode,
  MetaSetOptions,
  MetaSetResult,
} from "./src/client/meta_commands.ts";
export { murmur3Keys, sha256Keys } from "./src/client/key_encoders.ts";

export { StrictClient } from "./src/strict.ts";
export { FallbackClient } from "./src/fallback.ts";
export {
  RetryingClient,
  type RetryingClientConstructor,
} from "./src/retry/retrying_client.ts";
export type { Retry, RetryOptions } from "./src/retry/options.ts";
export {
  exponentialDelay,
  type ExponentialDelayOptions,
} from "./src/retry/delay.ts";

// Many servers.
export { ClusterClient } from "./src/cluster/cluster_client.ts";
export { HashClient, type ServerStatus } from "./src/cluster/hash_client.ts";
export type { HashClientOptions } from "./src/cluster/options.ts";
export type { ClusterCommands } from "./src/cluster/commands.ts";
export {
  ServerEvent,
  type ServerEvents,
  type ServerEventType,
} from "./src/cluster/events.ts";
export type { ServerState } from "./src/cluster/health.ts";

// Rings: which server a key belongs to.
export type { Hasher } from "./src/ring/hasher.ts";
export {
  RendezvousHash,
  type RendezvousHashOptions,
} from "./src/ring/rendezvous.ts";
export { HashTags } from "./src/ring/hash_tags.ts";
export { RecentKeys, type RecentKeysOptions } from "./src/ring/recent_keys.ts";
export { KetamaHash, type KetamaHashOptions } from "./src/ring/ketama.ts";
export { ModuloHash, type ModuloHashOptions } from "./src/ring/modulo.ts";
export {
  type Selector,
  SelectorHash,
  type SelectorHashOptions,
} from "./src/ring/selector.ts";
export { crc32 } from "./src/hash/crc32.ts";
export { md5Word } from "./src/hash/md5.ts";
export { murmur3 } from "./src/hash/murmur3.ts";
export { oneAtATime } from "./src/hash/one_at_a_time.ts";

// Values.
export type { Serde } from "./src/serde/serde.ts";
export { jsonSerde } from "./src/serde/json.ts";
export { rawSerde } from "./src/serde/raw.ts";
export { textSerde } from "./src/serde/text.ts";
export {
  compressedSerde,
  type CompressedSerdeOptions,
} from "./src/serde/compressed.ts";
export {
  type Deserializer,
  serdeFrom,
  type Serializer,
  type SerializerResult,
} from "./src/serde/from.ts";

// Where the servers of a cluster are.
export type { Discovery } from "./src/discovery/discovery.ts";
export { staticServers } from "./src/discovery/static.ts";
export {
  ElastiCacheDiscovery,
  type ElastiCacheOptions,
} from "./src/discovery/elasticache.ts";
export { DnsDiscovery, type DnsOptions } from "./src/discovery/dns.ts";
export type { PollingOptions } from "./src/discovery/polling.ts";

// Addresses and transports.
export { parseServer, type ServerSpec } from "./src/conn/address.ts";
export { dial, dialBun, dialDeno, dialNode } from "./src/conn/dial.ts";
export type {
  Conn,
  ConnEvents,
  Dial,
  DialOptions,
  KeepAliveOptions,
  ServerAddress,
} from "./src/conn/conn.ts";

// Types that many share.
export type {
  CommandOptions,
  Item,
  ItemStoreOptions,
  Key,
  Serialized,
  TlsOptions,
  Ttl,
} from "./src/types.ts";
export type {
  Stats,
  StatsConns,
  StatsItems,
  StatsSizes,
  StatsSlabs,
  StatValue,
} from "./src/wire/stats.ts";

// Errors.
export {
  type ErrorClass,
  MemcacheAuthError,
  MemcacheCasError,
  MemcacheClientError,
  MemcacheConnectionError,
  MemcacheError,
  type MemcacheErrorOptions,
  MemcacheIllegalInputError,
  MemcacheMissError,
  MemcacheNonNumericError,
  MemcacheNoServersError,
  MemcacheNotFoundError,
  MemcacheNotStoredError,
  MemcacheNoValueError,
  MemcacheOverloadError,
  MemcacheSerdeError,
  MemcacheServerError,
  MemcacheTimeoutError,
  MemcacheUnexpectedCloseError,
  MemcacheUnknownCommandError,
  MemcacheUnknownError,
} from "./src/errors.ts";

// What is told of commands and connections.
export type { InsightCommands } from "./src/client/insight_commands.ts";
export type {
  Explanation,
  LastError,
  ServerCondition,
} from "./src/client/explaining.ts";
export type {
  ClientMetrics,
  ConnectionMetrics,
  PoolMetrics,
  ServerMetrics,
} from "./src/client/metrics.ts";
export type {
  CommandMetrics,
  LatencyMetrics,
} from "./src/telemetry/metrics.ts";
export type {
  CommandMessage,
  ConnectMessage,
  DisconnectMessage,
  ServerPlace,
  WaitMessage,
} from "./src/telemetry/channels.ts";
