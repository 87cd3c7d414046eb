// What makes the pages move. Everything works without it: links and forms lead to the same URLs.
import { follow } from "./follow.js";
import { choose } from "./choose.js";
import { fitPaper } from "./paper.js";
import { tellZone } from "./zone.js";

document.documentElement.classList.add("js");
choose();
follow();
fitPaper();
tellZone();
