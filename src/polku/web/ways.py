"""The ways to connect a shop, as the page Connect shows them: what to do, and what to copy, with the reader's own key.

``{host}`` is this server's address, ``{key}`` the write key. The texts are the page's; the code is the same in every
language.
"""

from __future__ import annotations

import dataclasses

from polku.language import N_

#: Stands where no key has been made on this page: a key is shown only once.
PLACEHOLDER = "YOUR_WRITE_KEY"


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """``code`` holds ``{host}`` and ``{key}``; other braces are its own. ``note``: what to know besides."""

    id: str
    title: str
    text: str
    code: str
    note: str | None = None

    def filled(self, host: str, key: str) -> str:
        """The code for one server and key.

        >>> WAYS[0].filled("https://polku.example.com", "pk_w_1")
        '<script async src="https://polku.example.com/polku.js" data-key="pk_w_1"></script>'
        """
        return self.code.replace("{host}", host).replace("{key}", key)


LINE = '<script async src="{host}/polku.js" data-key="{key}"></script>'

WAYS: tuple[Way, ...] = (
    Way(
        "line",
        N_("One line in every page"),
        N_("Paste it into the <head> of every page: most shops have a place for it in the theme’s settings."),
        LINE,
        N_(
            "Nothing is stored and nothing is sent before the visitor consents: call polku.consent({analytics: true}) "
            'from your consent tool, or add data-modules="cmp" to the line to let Polku ask the common ones. With '
            'data-mode="cookieless" visits are counted without consent and without any id.'
        ),
    ),
    Way(
        "wordpress",
        N_("WordPress and WooCommerce"),
        N_(
            "With a plug-in for header code (WPCode, Insert Headers and Footers) paste the line above into “Header”. "
            "Without one, add this to the child theme’s functions.php."
        ),
        """add_action('wp_head', function () {
    echo '<script async src="{host}/polku.js" data-key="{key}" data-modules="cmp"></script>';
}, 1);

// Orders, when the thank-you page is shown
add_action('woocommerce_thankyou', function ($id) {
    $order = wc_get_order($id);
    if (!$order || $order->get_meta('_polku_told')) return;
    $order->update_meta_data('_polku_told', 1);
    $order->save();
    $properties = array(
        'order_id' => (string) $order->get_order_number(),
        'revenue'  => (float) ($order->get_total() - $order->get_total_tax() - $order->get_shipping_total()),
        'total'    => (float) $order->get_total(),
        'currency' => $order->get_currency(),
        'products' => array_values(array_map(function ($item) {
            return array(
                'product_id' => (string) $item->get_product_id(),
                'name'       => $item->get_name(),
                'quantity'   => $item->get_quantity(),
            );
        }, $order->get_items())),
    );
    echo '<script>window.polku=window.polku||[];polku.push(["track","Order Completed",'
        . wp_json_encode($properties, JSON_HEX_TAG) . ']);</script>';
});""",
        N_('data-modules="cmp" takes the consent from tools with the WP Consent API: Complianz, CookieYes, Cookiebot.'),
    ),
    Way(
        "gtm",
        N_("Google Tag Manager"),
        N_("Make a new tag of the type “Custom HTML”, with the trigger “All Pages”, and publish the container."),
        """<script>
(function () {
  var script = document.createElement('script');
  script.async = true;
  script.src = '{host}/polku.js';
  script.dataset.key = '{key}';
  script.dataset.modules = 'cmp';
  document.head.appendChild(script);
})();
</script>""",
        N_("Tag Manager takes unknown attributes off a script tag: that is why this one is made by a script."),
    ),
    Way(
        "shop",
        N_("What happens in the shop"),
        N_("Mark what matters in the HTML, or call polku from scripts; calls made before it has loaded are kept."),
        """<button data-polku="Product Added" data-polku-prop-product-id="p1" data-polku-prop-price="64.90">Add</button>
<form data-polku="Form Submitted" id="newsletter"> ... </form>
<p>Found <span data-polku-results>12</span> products</p>

<script>
window.polku = window.polku || [];
polku.push(["track", "Order Completed", {order_id: "1001", revenue: 59.90, currency: "EUR"}]);
polku.push(["identify", "customer-42", {email: "ann@example.com"}]);
</script>""",
    ),
    Way(
        "segment",
        N_("Segment’s and RudderStack’s SDKs"),
        N_("Keep the SDK that the shop has and give it this server’s address."),
        """// Browser, @segment/analytics-next: no settings are fetched from Segment
AnalyticsBrowser.load({writeKey: "{key}", cdnSettings: {integrations: {
  "Segment.io": {apiKey: "{key}", apiHost: "{bare}/v1", protocol: "{scheme}"}
}}});

// Node (Segment)
new Analytics({writeKey: "{key}", host: "{host}"});

// Node (RudderStack)
new Analytics("{key}", {dataPlaneUrl: "{host}"});

# Python (Segment; RudderStack takes the same)
analytics.write_key = "{key}"
analytics.host = "{host}\"""",
    ),
    Way(
        "posthog",
        N_("PostHog’s SDKs"),
        N_("Keep the SDK that the shop has and give it this server’s address."),
        """// Browser
posthog.init("{key}", {api_host: "{host}", disable_session_recording: true});

# Python
posthog = Posthog("{key}", host="{host}")""",
    ),
    Way(
        "matomo",
        N_("Matomo’s tracker"),
        N_("Point the tracker’s address here. Its site number is that of a write key: make the key with a site."),
        """var _paq = window._paq = window._paq || [];
_paq.push(["setTrackerUrl", "{host}/matomo.php"]);
_paq.push(["setSiteId", "{site}"]);
_paq.push(["trackPageView"]);""",
        N_("matomo.js itself still comes from your Matomo; only what it sends comes here."),
    ),
    Way(
        "ga4",
        N_("GA4’s Measurement Protocol"),
        N_("Servers that send events to Google Analytics send the same body here."),
        """POST {host}/mp/collect?measurement_id=G-SHOP&api_secret={key}
Content-Type: application/json

{"client_id": "123.456", "events": [
  {"name": "purchase", "params": {"transaction_id": "1001", "value": 59.9, "currency": "EUR"}}
]}""",
    ),
    Way(
        "hooks",
        N_("Signed web hooks"),
        N_("For systems that call an address when something happens: WooCommerce, Shopify, Stripe, Brevo, Mailchimp."),
        """{host}/hooks/NAME""",
        N_("What of a call becomes which event is written in polku.toml; polku hook try shows it on a sample."),
    ),
    Way(
        "http",
        N_("Anything that can send HTTP"),
        N_("One request, to try it in the terminal."),
        """curl {host}/v1/track -u '{key}:' -H 'Content-Type: application/json' \\
  -d '{"userId": "42", "event": "Product Viewed", "properties": {"product_id": "p1"}}'""",
    ),
)
