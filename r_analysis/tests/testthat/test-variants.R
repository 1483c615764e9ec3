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
  expect_length(names, 8)
  for (name in names) {
    expect_identical(grep(gsub("-", "[-_]", name), code, value = TRUE), character())
  }
})

test_that("a variant that is added to the results arrives in tables and figures by its row in variants.csv alone", {
  results <- make_fixture_results()
  added <- transform(
    results$variants[results$variants$variant == "vgg16-plain", ],
    variant = "densenet", trunk = "densenet121", mode = "adaptive", paper_item = ""
  )
  results$variants <- rbind(results$variants, added)
  for (name in c("features", "categories")) {
    own <- results[[name]][results[[name]]$variant == "vgg16-plain", ]
    results[[name]] <- rbind(results[[name]], transform(own, variant = "densenet"))
  }
  folder <- tempfile()
  write_results(results, folder)
  analysis <- run_analysis(read_results(folder, test_schema()), read_paper_results(paper_path))
  estimate <- function(name) get_estimate(analysis, name)
  for (name in c("accuracy", "features", "calibration", "shifts", "confusion_variants")) {
    of <- function(variant) {
      rows <- estimate(name)[estimate(name)$variant == variant, ]
      # Nothing but the name tells it from the one that it was copied from.
      unname(as.list(rows[setdiff(names(rows), "variant")]))
    }
    expect_gt(length(of("densenet")[[1]]), 0)
    expect_identical(of("densenet"), of("vgg16-plain"), info = name)
  }
  # The article has no such trunk, and the main variant is compared with it, too.
  expect_false("densenet" %in% estimate("comparison")$level)
  contrasts <- estimate("contrasts")
  expect_identical(contrasts$contrast[contrasts$second == "densenet"], "VGG16 - densenet121, adaptive")
  expect_match(tabulate_contrasts(contrasts)$caption, "adjusted for the seven contrasts", fixed = TRUE)
  expect_silent(figures <- build_figures(analysis))
  expect_true("densenet" %in% figures$figure_16_confusion_variants$data$variant)
})
