/** What brokers are told about the software that asks them (KIP-511). A test keeps the version equal to that of package.json. */
export const CLIENT_SOFTWARE_NAME = 'kafka-shadow'
export const CLIENT_SOFTWARE_VERSION = '0.1.0'
