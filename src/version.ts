/** What the gateway calls itself towards clients and upstreams; a test holds it to package.json. */
export const VERSION = '0.1.0';
