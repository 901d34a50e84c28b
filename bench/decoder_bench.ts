/**
 * Replies to kinds, values and texts. One iteration reads a stream of replies:
 * how many, and how many bytes, stands behind each name. Nanoseconds per reply,
 * on every runtime: `bench/measure.ts`.
 */
import { bench } from "./_bench.ts";
import { decoderCases } from "./_decoder_cases.ts";
import { runtimeText } from "./_measure.ts";

bench(decoderCases(await runtimeText()));
