// a shop's own script, which runs before polku.js has come
window.polku = window.polku || [];
polku.push(["track", "Promotion Viewed", { name: "early" }]);
