import { pageInteropSuite } from "../suites/page-interop.ts";

pageInteropSuite("4.8.4");
