/** How long a broker may take over what it has to agree on with others, as it is told. */
export const ADMIN_TIMEOUT_MS = 20_000

/** How long we wait: longer, so that it is the broker that gives up, and says so. */
export const ADMIN_REQUEST_TIMEOUT_MS = 30_000
