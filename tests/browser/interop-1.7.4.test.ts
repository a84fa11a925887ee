import { pageInteropSuite } from "../suites/page-interop.ts";

pageInteropSuite("1.7.4");
