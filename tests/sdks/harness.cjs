// Runs one SDK, unmodified, against a server: node harness.cjs SDK URL KEY MARK. Ends with "done" when it has sent all.
"use strict";
const { createRequire } = require("node:module");
const load = createRequire(process.env.POLKU_SDKS + "/package.json");
const [, , sdk, url, key, mark] = process.argv;
const TIME = new Date("2026-11-20T10:00:00.250Z");
const PRODUCTS = [{ product_id: "K1", name: "Hattu", price: 19.9, quantity: 2 }];

function calls(client) {
  // Segment's and RudderStack's clients have the same calls.
  client.identify({ userId: "anna", anonymousId: "a1", traits: { plan: "pro" }, timestamp: TIME, messageId: mark + "-identify" });
  client.track({
    userId: "anna", event: "Order Completed", timestamp: TIME, messageId: mark + "-track",
    properties: { order_id: "A7", revenue: 39.8, currency: "EUR", products: PRODUCTS },
  });
  client.page({ userId: "anna", name: "Hatut", timestamp: TIME, messageId: mark + "-page",
    properties: { url: "https://shop.fi/hatut", path: "/hatut", title: "Hatut" } });
  client.screen({ anonymousId: "a1", name: "Kori", timestamp: TIME, messageId: mark + "-screen" });
  client.group({ userId: "anna", groupId: "acme", traits: { size: 9 }, timestamp: TIME, messageId: mark + "-group" });
  client.alias({ previousId: "old-anna", userId: "anna", timestamp: TIME, messageId: mark + "-alias" });
}

const RUN = {
  async segment() {
    const { Analytics } = load("@segment/analytics-node");
    const client = new Analytics({ writeKey: key, host: url, path: "/v1/batch", flushInterval: 50, maxRetries: 5 });
    client.on("error", (error) => console.error("error", error));
    calls(client);
    await client.closeAndFlush({ timeout: 20000 });
  },
  async rudder() {
    const Analytics = load("@rudderstack/rudder-sdk-node");
    const client = new Analytics(key, { dataPlaneUrl: url, flushAt: 20, flushInterval: 50, maxInternalQueueSize: 100 });
    calls(client);
    await client.flush();
  },
  async posthog() {
    const { PostHog } = load("posthog-node");
    const client = new PostHog(key, { host: url, flushAt: 20, flushInterval: 50, fetchRetryCount: 5, fetchRetryDelay: 300 });
    client.capture({ distinctId: "anna", event: "order_completed", timestamp: TIME,
      uuid: "0190a4c2-7f3b-7cc1-9f3e-2b6f2a4f8f11", properties: { order_id: "A7", revenue: 39.8, currency: "EUR" },
      groups: { company: "acme" } });
    client.identify({ distinctId: "anna", properties: { plan: "pro" } });
    client.alias({ distinctId: "anna", alias: "old-anna" });
    client.groupIdentify({ groupType: "company", groupKey: "acme", properties: { size: 9 } });
    client.capture({ distinctId: "anna", event: "$pageview", timestamp: TIME,
      properties: { $current_url: "https://shop.fi/hatut?utm_source=meta", $session_id: "s1" } });
    await client.shutdown(20000);
  },
  async matomo() {
    const MatomoTracker = load("matomo-tracker");
    const client = new MatomoTracker(7, url + "/matomo.php");
    client.on("error", (error) => { console.error("error", error); process.exitCode = 1; });
    const visitor = { _id: "0123456789abcdef", uid: "anna", ua: "Mozilla/5.0 (X11; Linux x86_64)" };
    client.track({ ...visitor, url: "https://shop.fi/hatut?pk_campaign=kesa", action_name: "Hatut", urlref: "https://google.com/" });
    await new Promise((done, failed) => client.trackBulk([
      { ...visitor, url: "https://shop.fi/hattu", action_name: "Hattu", _pks: "K1", _pkn: "Hattu", _pkp: 19.9,
        cdt: TIME.getTime() / 1000 },
      { ...visitor, url: "https://shop.fi/kassa", idgoal: 0, ec_id: "A7", revenue: 52.8, ec_tx: 8, ec_sh: 5,
        ec_items: JSON.stringify([["K1", "Hattu", "Hatut", 19.9, 2]]) },
    ], (answer) => { console.log(answer); done(); }));
    await new Promise((done) => setTimeout(done, 300));
  },
};

RUN[sdk]().then(() => { console.log("done"); process.exit(); }, (error) => { console.error(error); process.exit(1); });
