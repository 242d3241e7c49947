/**
 * How large a request may be that is read here and not only passed on. As objects, rows take a hundred times the memory that they have in
 * a request, and what is refused gets an answer with words in it for each: without a limit, one frame would be the end of the process.
 */

/** Topics, partitions, names and whatever else comes in lists. Ten thousand partitions with all that belongs to them fit several times. */
export const MAX_ELEMENTS = 250_000

/** A request that is held until it can be judged as a whole, unless it is a Produce, most of which is records that nobody looks into. */
export const MAX_JUDGED_BYTES = 8 * 1024 * 1024
