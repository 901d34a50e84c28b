/**
 * The program as tests start it: on Deno this file, on Node and Bun its bundle,
 * around the packed package or the sources.
 *
 * @module
 */
import process from "node:process";
import { main } from "@x/memcache/cli";

process.exitCode = await main();
