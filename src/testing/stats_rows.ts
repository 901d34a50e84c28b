/**
 * The rows that `stats` reports: names and order are those of memcached
 * 1.6.18, and what this server does not have is reported as it stands in a
 * fresh one.
 *
 * @module
 */

import type { ServerState } from "./context.ts";
import type { Counter } from "./counters.ts";
import { CHUNK_SIZES, chunksPerPage, slabClass } from "./slabs.ts";

/** A row of a report. */
export type Row = readonly [name: string, value: string | number];

const PAGE = 1024 * 1024;
/** memcached counts its uptime from this second of its clock. */
const UPTIME_OFFSET = 2;
const SIZE_BUCKET = 32;

/** The rows of `stats`. */
export function generalRows(server: ServerState): Row[] {
  const { clock, counters, settings, store, watchers } = server;
  store.purge();
  const count = (...names: Counter[]): Row[] =>
    names.map((name) => [name, counters.values[name]]);
  const zero = (...names: string[]): Row[] => names.map((name) => [name, 0]);
  const open = [...server.connections()].length;
  return [
    ["pid", 1],
    ["uptime", clock.seconds - server.startedAt + UPTIME_OFFSET],
    ["time", Math.floor(clock.now / 1000)],
    ["version", settings.version],
    ["libevent", "2.1.12-stable"],
    ["pointer_size", 64],
    ["rusage_user", "0.000000"],
    ["rusage_system", "0.000000"],
    ["max_connections", settings.maxConnections],
    ["curr_connections", open],
    ...count("total_connections", "rejected_connections"),
    ["connection_structures", open + 1],
    ["response_obj_oom", 0],
    ["response_obj_count", 1],
    ["response_obj_bytes", 16384],
    ["read_buf_count", 2],
    ["read_buf_bytes", 32768],
    ...zero("read_buf_bytes_free", "read_buf_oom"),
    ["reserved_fds", 5],
    ...count("cmd_get", "cmd_set", "cmd_flush", "cmd_touch", "cmd_meta"),
    ...count("get_hits", "get_misses", "get_expired", "get_flushed"),
    ...count("delete_misses", "delete_hits", "incr_misses", "incr_hits"),
    ...count("decr_misses", "decr_hits"),
    ...count("cas_misses", "cas_hits", "cas_badval"),
    ...count("touch_hits", "touch_misses"),
    ...count("store_too_large", "store_no_memory"),
    ...count("auth_cmds", "auth_errors", "bytes_read", "bytes_written"),
    ["limit_maxbytes", settings.memoryLimit],
    ["accepting_conns", 1],
    ...zero("listen_disabled_num", "time_in_listen_disabled_us"),
    ["threads", 1],
    ["conn_yields", 0],
    ["hash_power_level", 16],
    ["hash_bytes", 524288],
    ...zero("hash_is_expanding"),
    ...zero("slab_reassign_rescues", "slab_reassign_chunk_rescues"),
    ...zero("slab_reassign_evictions_nomem", "slab_reassign_inline_reclaim"),
    ...zero("slab_reassign_busy_items", "slab_reassign_busy_deletes"),
    ...zero("slab_reassign_running", "slabs_moved"),
    ...zero("lru_crawler_running", "lru_crawler_starts"),
    ...zero("lru_maintainer_juggles", "malloc_fails"),
    ...zero("log_worker_dropped", "log_worker_written"),
    ["log_watcher_skipped", watchers.skipped],
    ["log_watcher_sent", watchers.sent],
    ["log_watchers", watchers.count],
    ...zero("unexpected_napi_ids", "round_robin_fallback"),
    ["bytes", store.bytes],
    ["curr_items", store.size],
    ...count("total_items"),
    ...zero("slab_global_page_pool"),
    ...zero("expired_unfetched", "evicted_unfetched", "evicted_active"),
    ...count("evictions"),
    ...zero("reclaimed", "crawler_reclaimed", "crawler_items_checked"),
    ...zero("lrutail_reflocked", "moves_to_cold", "moves_to_warm"),
    ...zero("moves_within_lru", "direct_reclaims", "lru_bumps_dropped"),
  ];
}

/** The rows of `stats settings`. */
export function settingRows(server: ServerState): Row[] {
  const { settings, counters } = server;
  const listenAddress = server.listenAddress();
  const yes = (fact: boolean) => fact ? "yes" : "no";
  const unix = listenAddress.startsWith("unix:");
  const colon = listenAddress.lastIndexOf(":");
  const [hot, warm, hotAge, warmAge] = settings.tune;
  return [
    ["maxbytes", settings.memoryLimit],
    ["maxconns", settings.maxConnections],
    ["tcpport", unix ? 0 : listenAddress.slice(colon + 1)],
    ["udpport", 0],
    ["inter", unix ? "NULL" : listenAddress.slice("tcp:".length, colon)],
    ["verbosity", settings.verbosity],
    ["oldest", 0],
    ["evictions", settings.evictions ? "on" : "off"],
    ["domain_socket", unix ? listenAddress.slice("unix:".length) : "NULL"],
    ["umask", 700],
    ["shutdown_command", yes(settings.allowShutdown)],
    ["growth_factor", "1.25"],
    ["chunk_size", 48],
    ["num_threads", 1],
    ["num_threads_per_udp", 1],
    ["stat_key_prefix", ":"],
    ["detail_enabled", yes(counters.detail)],
    ["reqs_per_event", 20],
    ["cas_enabled", yes(settings.cas)],
    ["tcp_backlog", 1024],
    ["binding_protocol", "auto-negotiate"],
    ["auth_enabled_sasl", "no"],
    ["auth_enabled_ascii", yes(settings.auth !== undefined)],
    ["item_size_max", settings.maxItemSize],
    ["maxconns_fast", "yes"],
    ["hashpower_init", 0],
    ["slab_reassign", "yes"],
    ["slab_automove", settings.automove],
    ["slab_automove_ratio", "0.80"],
    ["slab_automove_window", 30],
    ["slab_chunk_max", 524288],
    ["lru_crawler", yes(settings.crawler)],
    ["lru_crawler_sleep", settings.crawlerSleep],
    ["lru_crawler_tocrawl", settings.crawlerItems],
    ["tail_repair_time", 0],
    ["flush_enabled", yes(settings.flush)],
    ["dump_enabled", "yes"],
    ["hash_algorithm", "murmur3"],
    ["lru_maintainer_thread", "yes"],
    ["lru_segmented", yes(settings.segmented)],
    ["hot_lru_pct", hot],
    ["warm_lru_pct", warm],
    ["hot_max_factor", hotAge],
    ["warm_max_factor", warmAge],
    ["temp_lru", yes(settings.tempTtlOn)],
    ["temporary_ttl", settings.tempTtl],
    ["idle_timeout", settings.idleTimeout],
    ["watcher_logbuf_size", 262144],
    ["worker_logbuf_size", 65536],
    ["read_buf_mem_limit", 0],
    ["track_sizes", yes(settings.sizesFrom >= 0n)],
    ["inline_ascii_response", "no"],
    ["ext_item_size", 512],
    ["ext_item_age", 4294967295],
    ["ext_low_ttl", 0],
    ["ext_recache_rate", 2000],
    ["ext_wbuf_size", 4194304],
    ["ext_compact_under", 0],
    ["ext_drop_under", 0],
    ["ext_max_sleep", 1000000],
    ["ext_max_frag", "0.80"],
    ["slab_automove_freeratio", "0.010"],
    ["ext_drop_unread", "no"],
    ["ssl_enabled", yes(settings.tls)],
    ["ssl_chain_cert", "(null)"],
    ["ssl_key", "(null)"],
    ["ssl_verify_mode", 0],
    ["ssl_keyformat", 1],
    ["ssl_ciphers", "NULL"],
    ["ssl_ca_cert", "NULL"],
    ["ssl_wbuf_size", 16384],
    ["ssl_session_cache", "no"],
    ["ssl_kernel_tls", "no"],
    ["ssl_min_version", "tlsv1.2"],
    ["num_napi_ids", "(null)"],
    ["memory_file", "(null)"],
  ];
}

/** Items and bytes of each slab class that has any. */
function byClass(server: ServerState): [number, number, number][] {
  const { store } = server;
  const classes = new Map<number, [number, number, number]>();
  for (const item of store.list()) {
    const size = store.sizeOf(item);
    const id = slabClass(size);
    const entry = classes.get(id) ?? [id, 0, 0];
    entry[1]++;
    entry[2] += size;
    classes.set(id, entry);
  }
  return [...classes.values()].sort(([a], [b]) => a - b);
}

/** The rows of `stats items`. */
export function itemRows(server: ServerState): Row[] {
  const rows: Row[] = [];
  for (const [id, number, bytes] of byClass(server)) {
    const row = (name: string, value: number) =>
      rows.push([`items:${id}:${name}`, value]);
    row("number", number);
    row("number_hot", 0);
    row("number_warm", 0);
    row("number_cold", number);
    for (const name of ["age_hot", "age_warm", "age"]) row(name, 0);
    row("mem_requested", bytes);
    for (const name of ITEM_ZEROS) row(name, 0);
  }
  return rows;
}

const ITEM_ZEROS = [
  "evicted",
  "evicted_nonzero",
  "evicted_time",
  "outofmemory",
  "tailrepairs",
  "reclaimed",
  "expired_unfetched",
  "evicted_unfetched",
  "evicted_active",
  "crawler_reclaimed",
  "crawler_items_checked",
  "lrutail_reflocked",
  "moves_to_cold",
  "moves_to_warm",
  "moves_within_lru",
  "direct_reclaims",
  "hits_to_hot",
  "hits_to_warm",
  "hits_to_cold",
  "hits_to_temp",
];

const SLAB_ZEROS = [
  "get_hits",
  "cmd_set",
  "delete_hits",
  "incr_hits",
  "decr_hits",
  "cas_hits",
  "cas_badval",
  "touch_hits",
];

/** The rows of `stats slabs`. */
export function slabRows(server: ServerState): Row[] {
  const rows: Row[] = [];
  let pages = 0;
  const classes = byClass(server);
  for (const [id, number] of classes) {
    const row = (name: string, value: number) =>
      rows.push([`${id}:${name}`, value]);
    const perPage = chunksPerPage(id);
    const used = Math.ceil(number / perPage);
    pages += used;
    row("chunk_size", CHUNK_SIZES[id - 1]);
    row("chunks_per_page", perPage);
    row("total_pages", used);
    row("total_chunks", used * perPage);
    row("used_chunks", number);
    row("free_chunks", used * perPage - number);
    row("free_chunks_end", 0);
    for (const name of SLAB_ZEROS) row(name, 0);
  }
  rows.push(["active_slabs", classes.length]);
  rows.push(["total_malloced", pages * PAGE]);
  return rows;
}

/** The rows of `stats conns`. */
export function connectionRows(server: ServerState): Row[] {
  const { seconds } = server.clock;
  const rows: Row[] = [
    ["10:addr", server.listenAddress()],
    ["10:state", "conn_listening"],
    ["10:secs_since_last_cmd", seconds - server.startedAt],
  ];
  for (const { id, remote, lastCommandAt } of server.connections()) {
    const fd = id + 10;
    rows.push([`${fd}:addr`, remote]);
    rows.push([`${fd}:listen_addr`, server.listenAddress()]);
    rows.push([`${fd}:state`, "conn_parse_cmd"]);
    rows.push([`${fd}:secs_since_last_cmd`, seconds - lastCommandAt]);
  }
  return rows;
}

/** The rows of `stats sizes`. */
export function sizeRows({ store, settings }: ServerState): Row[] {
  if (settings.sizesFrom < 0n) return [["sizes_status", "disabled"]];
  const buckets = new Map<number, number>();
  for (const item of store.list()) {
    if (item.cas <= settings.sizesFrom) continue;
    const size = Math.ceil(store.sizeOf(item) / SIZE_BUCKET) * SIZE_BUCKET;
    buckets.set(size, (buckets.get(size) ?? 0) + 1);
  }
  return [...buckets].sort(([a], [b]) => a - b)
    .map(([size, count]): Row => [String(size), count]);
}
