variants <- read_fixture()$variants

test_that("the main variant is the first that reads features, wherever others stand", {
  expect_identical(find_main_variant(variants), "vgg16-adaptive")
  expect_identical(find_main_variant(variants[rev(seq_len(nrow(variants))), ]), "resnet50-plain")
})

test_that("a variant is direct by its kind, not by its name", {
  named <- rbind(variants, transform(variants[variants$kind == "features", ][1, ], variant = "direct-looking"))
  expect_identical(
    is_direct(factor(c("direct-frozen", "vgg16-plain", "direct-looking")), named), c(TRUE, FALSE, FALSE)
  )
})

test_that("variants are counted once, and lesions without one are none", {
  expect_identical(count_variants(factor(c("a", "b", NA, "a"), c("a", "b", "c"))), 2L)
  expect_identical(count_variants(NULL), 0L)
})

test_that("no variant is named in the code of the analysis or in the page", {
  files <- list.files(analysis_folder, "[.](R|Rmd|css)$", full.names = TRUE)
  files <- c(files, list.files(file.path(analysis_folder, "R"), full.names = TRUE))
  expect_gt(length(files), 50)
  code <- unlist(lapply(files, readLines, encoding = "UTF-8"))
  # The segmentation variant is called like its phase, which has its own right to be named.
  names <- setdiff(variants$variant, "delayed")
  expect_length(names, 7)
  for (name in names) {
    expect_identical(grep(gsub("-", "[-_]", name), code, value = TRUE), character())
  }
})
